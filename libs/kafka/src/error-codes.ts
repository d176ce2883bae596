import { protocolErrors, protocolErrorsCodesById } from './platformatic.ts'
import { InvariantViolation, errorMessage } from '@fairlead/base'
import { KafkaError } from './kafka-error.ts'

/** The coordinator of a group or transaction has moved, or is about to: it is asked for again. */
export const COORDINATOR_LOST: ReadonlySet<string> = new Set([
  'NOT_COORDINATOR',
  'COORDINATOR_NOT_AVAILABLE',
  'BROKER_NOT_AVAILABLE',
  'NETWORK',
  'TIMEOUT',
])

/** What an answer says that leaves out the group that was asked for. */
export const COORDINATOR_NOT_AVAILABLE = 15

/** Kafka's error name for the number in a response; `NONE` for 0. */
export function errorName(errorCode: number): string {
  const names: Readonly<Record<number, string | undefined>> = protocolErrorsCodesById
  return names[errorCode] ?? `ERROR_${errorCode}`
}

/** True when Kafka's own clients would send the request again. */
export function isRetryableName(name: string): boolean {
  const errors: Readonly<Record<string, { readonly canRetry: boolean } | undefined>> =
    protocolErrors
  return errors[name]?.canRetry === true
}

/** The error of a response; `what` says which request, for the message. */
export function responseError(errorCode: number, what: string, detail?: string | null): KafkaError {
  const code = errorName(errorCode)
  const suffix = detail === undefined || detail === null || detail === '' ? '' : `: ${detail}`
  return new KafkaError(`${what} was answered with ${code}${suffix}`, {
    code,
    retryable: isRetryableName(code),
  })
}

/** @throws {KafkaError} unless `errorCode` is 0. */
export function expectNoError(errorCode: number, what: string, detail?: string | null): void {
  if (errorCode !== 0) throw responseError(errorCode, what, detail)
}

/**
 * Anything thrown below the client interfaces, as the one error type that leaves them.
 *
 * @throws {InvariantViolation} as it is: nobody handles a bug.
 */
export function toKafkaError(error: unknown, what: string): KafkaError {
  if (error instanceof KafkaError) return error
  if (error instanceof InvariantViolation) throw error
  return new KafkaError(`${what} failed: ${errorMessage(error)}`, {
    code: 'CORRUPT_RESPONSE',
    retryable: false,
    cause: error,
  })
}

/**
 * A failure to connect for who we or they are, as one that ends the operation, as in Kafka's own clients.
 * That of TLS has no code among Kafka's; it is named like its exception.
 */
export function finalIfRefused(error: KafkaError): KafkaError {
  for (let cause = error.cause; cause instanceof Error; cause = cause.cause) {
    const code = refusalCode(cause)
    if (code === undefined) continue
    return new KafkaError(error.message, { code, retryable: false, cause: error })
  }
  return error
}

/** What Node calls failures of OpenSSL, and certificates that it does not accept. */
const TLS_CODE =
  /^(ERR_TLS_|ERR_SSL_|UNABLE_TO_|CERT_|SELF_SIGNED_|DEPTH_ZERO_|INVALID_(CA|PURPOSE)$)/

function refusalCode(cause: Error): string | undefined {
  if (cause.name === 'SaslRefusal') return 'SASL_AUTHENTICATION_FAILED'
  const code: unknown = 'code' in cause ? cause.code : undefined
  return typeof code === 'string' && TLS_CODE.test(code) ? 'SSL_AUTHENTICATION_FAILED' : undefined
}

export function closedError(): KafkaError {
  return new KafkaError('the client is closed', { code: 'CLOSED', retryable: false })
}

export function revokedError(): KafkaError {
  return new KafkaError('the producer may not send any more', { code: 'REVOKED', retryable: false })
}

/** `cause`: a certificate, a password, a socket; undefined where the broker only hung up. */
export function lostError(what: string, cause?: Error): KafkaError {
  const reason = cause === undefined ? 'the connection is lost' : reasonOf(cause)
  return new KafkaError(`${what} failed: ${reason}`, { code: 'NETWORK', retryable: true, cause })
}

/** Of several addresses of one name, Node says only that none of them answers. */
function reasonOf(error: Error): string {
  if (!(error instanceof AggregateError)) return errorMessage(error)
  return error.errors.map((each) => errorMessage(each)).join('; ')
}

export function abortedError(what: string): KafkaError {
  return new KafkaError(`${what} was aborted`, { code: 'ABORTED', retryable: false })
}

/** The last failure of something that was retried until its time was over; still worth a retry. */
export function exhaustedError(what: string, timeoutMs: number, cause: KafkaError): KafkaError {
  return new KafkaError(`${what} did not succeed within ${timeoutMs} ms: ${cause.message}`, {
    code: cause.code,
    retryable: true,
    cause,
  })
}

export function timeoutError(what: string, timeoutMs: number, cause?: unknown): KafkaError {
  const reason = cause === undefined ? '' : `: ${errorMessage(cause)}`
  return new KafkaError(`${what} did not end within ${timeoutMs} ms${reason}`, {
    code: 'TIMEOUT',
    retryable: true,
    cause,
  })
}
