/** A URL without the user and password in it, and these as a request sends them. */
export type UrlCredentials = {
  readonly url: string
  /** Of the header `Authorization` (RFC 7617); undefined where the URL names nobody. */
  readonly authorization: string | undefined
}

/**
 * Takes user and password out of a URL: `fetch` refuses it otherwise, and says so with the password in its message. Text that
 * is no URL stays as it is.
 */
export function splitCredentials(text: string): UrlCredentials {
  const url = URL.parse(text)
  if (url === null || (url.username === '' && url.password === '')) {
    return { url: text, authorization: undefined }
  }
  const authorization = basicAuthorization(`${decoded(url.username)}:${decoded(url.password)}`)
  url.username = ''
  url.password = ''
  return { url: url.href, authorization }
}

/** The header `Authorization` of `user:password`. */
export function basicAuthorization(userInfo: string): string {
  return `Basic ${Buffer.from(userInfo).toString('base64')}`
}

/** As it stands where it is not encoded as a URL should be: a password may have a percent sign in it. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
