import { splitCredentials } from '@fairlead/json-http'
import { UsageError } from './command.ts'

/** Where an app answers, and what it is told of who asks. */
export type HttpAddress = {
  /** Without a slash at its end, and without credentials. */
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
}

/**
 * An address as a user gives it: credentials of `http.auth.basic.*` may stand in it
 * (`http://user:password@host:port`); a token of `http.auth.bearer.token` goes before them.
 *
 * @throws {UsageError} naming the option, when it is no URL.
 */
export function httpAddress(option: string, text: string, token: string | undefined): HttpAddress {
  if (!URL.canParse(text)) throw new UsageError(`--${option} is an http:// address, not "${text}"`)
  const { url, authorization: ofUser } = splitCredentials(new URL(text).href)
  const authorization = token === undefined ? ofUser : `Bearer ${token}`
  return {
    url: url.replace(/\/$/, ''),
    headers: authorization === undefined ? {} : { authorization },
  }
}
