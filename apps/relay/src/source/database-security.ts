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
    if (config[key] !== undefined && tls.sslmode === 'disable') {
      problems.push(`${key} is set and database.sslmode is disable: leave one of them out`)
    }
  }
  if (tls.sslmode === 'verify-ca' && !hasAuthority(withTls(url, tls))) {
    problems.push(
      'database.sslmode is verify-ca and database.sslrootcert is not set: whoever has a certificate of a public authority would do; set it, or verify-full',
    )
  }
  return problems
}

function hasAuthority(url: string): boolean {
  // Of several `pg` takes the last.
  return Boolean(new URL(url).searchParams.getAll('sslrootcert').at(-1))
}

function unreadable(path: string | undefined): string | undefined {
  try {
    if (path !== undefined) accessSync(path, constants.R_OK)
    return undefined
  } catch (error) {
    return errorMessage(error)
  }
}
