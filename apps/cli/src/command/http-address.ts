import { splitCredentials } from '@fairlead/json-http'
import { UsageError } from './command.ts'

/** Where an app answers, and what it is told of who asks. */
export type HttpAddress = {
  /** Without a slash at its end, and without credentials. */
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
}

const SCHEMES = ['http:', 'https:']

/**
 * An address as a user gives it: credentials of `http.auth.basic.*` may stand in it
 * (`http://user:password@host:port`); a token of `http.auth.bearer.token` goes before them.
 *
 * @throws {UsageError} naming the option, when it is none of HTTP.
 */
export function httpAddress(option: string, text: string, token: string | undefined): HttpAddress {
  const address = URL.parse(text)
  // `localhost:8084` is an address of the scheme `localhost`.
  if (address === null || !SCHEMES.includes(address.protocol)) {
    throw new UsageError(`--${option} is an http:// address, not "${text}"`)
  }
  const { url, authorization: ofUser } = splitCredentials(address.href)
  const authorization = token === undefined ? ofUser : `Bearer ${token}`
  return {
    url: url.replace(/\/$/, ''),
    headers: authorization === undefined ? {} : { authorization },
  }
}
