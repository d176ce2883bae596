/** What it says of changes to them. */
export const NO_AUTHORIZER_FOR_CHANGES = {
  errorCode: 'SECURITY_DISABLED',
  errorMessage: 'No Authorizer is configured.',
} as const

/** What a broker without `authorizer.class.name` says of access rules; tools look for the code. */
export const NO_AUTHORIZER = {
  errorCode: 'SECURITY_DISABLED',
  errorMessage: 'No Authorizer is configured on the broker',
} as const
