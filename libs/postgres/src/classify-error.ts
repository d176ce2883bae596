import { isPeerErrorCode, isTlsPeerErrorCode } from '@fairlead/base'

/**
 * What a failure of a database call means for the caller:
 *
 * - `infra`: the database or the way to it is not there. Pause and try again, without end.
 * - `contention`: the transaction met another one. Run it again.
 * - `schema`: a table or column is not as the code expects. A migration is missing.
 * - `data`: this row is not acceptable; other rows are.
 * - `unknown`: none of these: a bug, most likely.
 */
export type PostgresErrorClass = 'infra' | 'contention' | 'schema' | 'data' | 'unknown'

/** SQLSTATE, or the first two characters of it: its class. PostgreSQL, Appendix A. */
const SQLSTATE_CLASSES: Readonly<Record<string, PostgresErrorClass>> = {
  '08': 'infra', // connection exception
  '28': 'infra', // invalid authorization
  '53': 'infra', // insufficient resources
  '58': 'infra', // system error
  XX: 'infra', // internal error
  '57P01': 'infra', // admin shutdown
  '57P02': 'infra', // crash shutdown
  '57P03': 'infra', // cannot connect now
  '57P05': 'infra', // idle session timeout
  '25006': 'infra', // read-only transaction: a standby, after a failover
  '25P03': 'infra', // idle in transaction session timeout
  '3D000': 'infra', // the database does not exist (yet)
  '25P04': 'contention', // transaction timeout
  '40': 'contention', // transaction rollback: serialization failure, deadlock
  '55P03': 'contention', // lock not available
  '57014': 'contention', // query canceled: statement timeout
  '42': 'schema', // undefined table or column, wrong type, missing privilege
  '0A': 'schema', // feature not supported: "cached plan must not change result type"
  '22': 'data', // data exception
  '23': 'data', // integrity constraint violation
  '54': 'data', // program limit exceeded: an index entry that is too long
}

/** Of a socket whose server is down, or of a certificate that is being replaced. */
const FILE_ERRORS = new Set(['EACCES', 'ENOENT'])
const FILE_CALLS = new Set(['connect', 'open'])

/** OpenSSL cannot read a certificate or a key. */
const OPENSSL_ERRORS = 'ERR_OSSL_'

/** Of our own: a server that offers no TLS. */
export const NO_TLS_CODE = 'ERR_TLS_NOT_OFFERED'
/** `pg` tells of it without a code. */
const NO_TLS_MESSAGES =
  /^(?:The server does not support SSL connections|There was an error establishing an SSL connection)$/

/** `pg` reports the loss of its connection and its own timeouts without a code. */
const CONNECTION_MESSAGES =
  /connection terminated|timeout expired|query read timeout|timeout exceeded when trying to connect|not queryable|client was closed/i

/** Classifies anything that a call of `pg` or Kysely threw; a `cause` is looked through. */
export function classifyPostgresError(error: unknown): PostgresErrorClass {
  const code = postgresErrorCode(error)
  if (code !== undefined) {
    if (isPeerErrorCode(code) || isTlsErrorCode(code)) return 'infra'
    if (FILE_ERRORS.has(code) && isFileCall(error)) return 'infra'
    const known = SQLSTATE_CLASSES[code] ?? SQLSTATE_CLASSES[code.slice(0, 2)]
    if (known !== undefined) return known
  }
  if (!(error instanceof Error)) return 'unknown'
  if (NO_TLS_MESSAGES.test(error.message)) return 'infra'
  if (CONNECTION_MESSAGES.test(error.message)) return 'infra'
  return error.cause === undefined ? 'unknown' : classifyPostgresError(error.cause)
}

function isFileCall(error: unknown): boolean {
  const isObject = typeof error === 'object' && error !== null
  return isObject && 'syscall' in error && FILE_CALLS.has(String(error.syscall))
}

/**
 * Of a certificate that is not accepted, or of TLS that does not come about: by either side. Nothing that
 * is right again in a moment.
 */
export function isTlsErrorCode(code: string): boolean {
  return isTlsPeerErrorCode(code) || code.startsWith(OPENSSL_ERRORS)
}

/** Of a failure to come to TLS, a server that offers none included; undefined for any other. */
export function tlsErrorCode(error: unknown): string | undefined {
  if (error instanceof Error && NO_TLS_MESSAGES.test(error.message)) return NO_TLS_CODE
  const code = postgresErrorCode(error)
  return code !== undefined && isTlsErrorCode(code) ? code : undefined
}

/** SQLSTATE or system error code of a failure, such as `57P01` or `ECONNRESET`. */
export function postgresErrorCode(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined
  return typeof error.code === 'string' ? error.code : undefined
}
