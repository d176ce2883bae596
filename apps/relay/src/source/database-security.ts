import { accessSync, constants } from 'node:fs'
import { errorMessage } from '@fairlead/base'
import { type DatabaseTls, tlsSaidTwice, withTls } from '@fairlead/postgres'
import type { ConfigOf } from '@fairlead/service'
import type { RELAY_CONFIG } from '../config.ts'

type SecurityConfig = Pick<
  ConfigOf<typeof RELAY_CONFIG>,
  | 'database.url'
  | 'database.sslmode'
  | 'database.sslrootcert'
  | 'database.sslcert'
  | 'database.sslkey'
>

export function databaseTls(config: SecurityConfig): DatabaseTls {
  return {
    sslmode: config['database.sslmode'],
    sslrootcert: config['database.sslrootcert'],
    sslcert: config['database.sslcert'],
    sslkey: config['database.sslkey'],
  }
}

/** One line per problem: key, rule and next step. */
export function databaseTlsProblems(config: SecurityConfig): readonly string[] {
  const tls = databaseTls(config)
  const url = config['database.url']
  const problems = tlsSaidTwice(url, tls).map(
    ({ setting, parameter }) =>
      `database.${setting} is set, and database.url has ${parameter}, too: leave one of them out`,
  )
  const files = ['database.sslrootcert', 'database.sslcert', 'database.sslkey'] as const
  for (const key of files) {
    const fault = unreadable(config[key])
    if (fault !== undefined) problems.push(`${key}: ${fault}`)
    const off = config[key] === undefined ? undefined : plainTextBy(config)
    if (off !== undefined) problems.push(`${key} is set and ${off}: leave one of them out`)
  }
  if (tls.sslmode === 'verify-ca' && !hasAuthority(withTls(url, tls))) {
    problems.push(
      'database.sslmode is verify-ca and database.sslrootcert is not set: whoever has a certificate of a public authority would do; set it, or verify-full',
    )
  }
  return problems
}

/** What says that there is no TLS, so that no certificate would be looked at; undefined where there is. */
function plainTextBy(config: SecurityConfig): string | undefined {
  const { sslmode } = databaseTls(config)
  if (sslmode !== undefined) {
    return sslmode === 'disable' ? 'database.sslmode is disable' : undefined
  }
  // An `ssl` in the URL is refused beside any certificate: see `tlsSaidTwice`.
  const isPlain = lastOf(config['database.url'], 'sslmode') === 'disable'
  return isPlain ? 'database.url has sslmode=disable' : undefined
}

function hasAuthority(url: string): boolean {
  return Boolean(lastOf(url, 'sslrootcert'))
}

/** Of several `pg` takes the last. */
function lastOf(url: string, parameter: string): string | undefined {
  return new URL(url).searchParams.getAll(parameter).at(-1)
}

function unreadable(path: string | undefined): string | undefined {
  try {
    if (path !== undefined) accessSync(path, constants.R_OK)
    return undefined
  } catch (error) {
    return errorMessage(error)
  }
}
