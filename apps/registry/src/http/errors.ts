import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify'
import { ERROR_CODES, type Failure, type Profile } from '@fairlead/schemas'
import { StoreError } from '../store/store-error.ts'

/** An answer that is not a result: exactly `error_code` and `message`; more breaks old clients. */
export class HttpFailure extends Error {
  override readonly name = 'HttpFailure'
  readonly errorCode: number
  /** When to ask again: the header `Retry-After`. */
  readonly retryAfterSeconds: number | undefined

  constructor(failure: {
    readonly errorCode: number
    readonly message: string
    readonly retryAfterSeconds?: number
  }) {
    super(failure.message)
    this.errorCode = failure.errorCode
    this.retryAfterSeconds = failure.retryAfterSeconds
  }
}

export function badRequest(message: string): HttpFailure {
  return new HttpFailure({ errorCode: 400, message })
}

export function notFound(): HttpFailure {
  return new HttpFailure({ errorCode: 404, message: 'HTTP 404 Not Found' })
}

/** Confluent told an incompatible schema by 409 until the end of 2025, and by 40901 since. */
export function failureOf({ errorCode, message }: Failure, profile: Profile): HttpFailure {
  const isPlain = profile === 7 && errorCode === ERROR_CODES.INCOMPATIBLE_SCHEMA
  return new HttpFailure({ errorCode: isPlain ? 409 : errorCode, message })
}

/** Confluent's words for what the server says in others, or should not say at all. */
const MESSAGES: Readonly<Record<number, string>> = {
  415: 'HTTP 415 Unsupported Media Type',
  500: 'Internal Server Error',
}

/** Turns whatever a route threw into Confluent's error body; unknown errors keep their secrets. */
export function handleError(
  error: FastifyError | HttpFailure,
  request: FastifyRequest,
  reply: FastifyReply,
): void {
  const errorCode = errorCodeOf(error)
  if (errorCode >= 50000 || errorCode === 500) {
    request.log.error({ err: error }, 'request failed')
  }
  if (error instanceof HttpFailure && error.retryAfterSeconds !== undefined) {
    void reply.header('retry-after', error.retryAfterSeconds)
  }
  void reply.code(Number(String(errorCode).slice(0, 3))).send({
    error_code: errorCode,
    message: MESSAGES[errorCode] ?? error.message,
  })
}

function errorCodeOf(error: Error & { readonly statusCode?: number }): number {
  if (error instanceof HttpFailure || error instanceof StoreError) return error.errorCode
  const { statusCode } = error
  return statusCode !== undefined && statusCode >= 400 && statusCode < 500 ? statusCode : 500
}
