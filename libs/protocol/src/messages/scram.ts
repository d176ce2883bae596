/** Which users have SCRAM credentials, and of which kind (KIP-554). */
export const DESCRIBE_USER_SCRAM_CREDENTIALS = {
  key: 50,
  versions: [0, 0],
  flexible: 0,
  request: {
    users: { nullable: '0+', array: { name: { type: 'string' } } },
  },
  response: {
    throttleTimeMs: { type: 'int32', default: 0 },
    errorCode: { type: 'errorCode' },
    errorMessage: { type: 'string', nullable: '0+' },
    results: {
      array: {
        user: { type: 'string' },
        errorCode: { type: 'errorCode' },
        errorMessage: { type: 'string', nullable: '0+' },
        credentialInfos: {
          array: { mechanism: { type: 'int8' }, iterations: { type: 'int32' } },
        },
      },
    },
  },
} as const
