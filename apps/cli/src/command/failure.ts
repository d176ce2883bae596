import { OperationalError, errorMessage } from '@fairlead/base'
import { KafkaError } from '@fairlead/kafka'
import { EXIT, type ExitCode, UsageError } from './command.ts'
import { HttpApiError, UNAVAILABLE } from './http-api.ts'

export type Failure = {
  readonly exitCode: ExitCode
  readonly code: string
  readonly message: string
  /** What to do next; empty when the message says it. */
  readonly hint: string
}

/** A service that refuses a request says what the command line should have been. */
const USAGE = new Set(['HTTP_400'])
const NOT_FOUND = new Set([
  'UNKNOWN_TOPIC_OR_PARTITION',
  'UNKNOWN_TOPIC_ID',
  'GROUP_ID_NOT_FOUND',
  'RESOURCE_NOT_FOUND',
  'HTTP_404',
])
const DENIED = new Set([
  'TOPIC_AUTHORIZATION_FAILED',
  'GROUP_AUTHORIZATION_FAILED',
  'CLUSTER_AUTHORIZATION_FAILED',
  'SASL_AUTHENTICATION_FAILED',
  'SSL_AUTHENTICATION_FAILED',
  'SECURITY_DISABLED',
  'HTTP_401',
  'HTTP_403',
])
const CONFLICT = new Set([
  'TOPIC_ALREADY_EXISTS',
  'NON_EMPTY_GROUP',
  'GROUP_SUBSCRIBED_TO_TOPIC',
  'UNKNOWN_MEMBER_ID',
  'REASSIGNMENT_IN_PROGRESS',
  'RETIRED',
  'NOT_A_FOLD',
  'REGISTRY_CONFLICT',
  'HTTP_409',
])
const FILE_NOT_FOUND = 'ENOENT'
const UNREACHABLE = new Set([
  'DATABASE_UNREACHABLE',
  'NETWORK',
  'UNREACHABLE',
  'TIMEOUT',
  'REQUEST_TIMED_OUT',
  'BROKER_NOT_AVAILABLE',
  'COORDINATOR_NOT_AVAILABLE',
])

const HINTS: Readonly<Record<string, string>> = {
  HTTP_401: 'give its token with --token or $FAIRLEAD_TOKEN, or user and password in its address',
  UNKNOWN_TOPIC_OR_PARTITION: '"fairlead topic list" shows the topics there are',
  GROUP_ID_NOT_FOUND: '"fairlead group list" shows the groups there are',
  NON_EMPTY_GROUP: 'stop the members of the group first',
  UNKNOWN_MEMBER_ID: 'offsets of a group with members cannot be set: stop its members first',
  DIRECTORY_LOCKED: 'stop the broker first',
  GROUP_SUBSCRIBED_TO_TOPIC: 'stop the members that read the topic first',
  UNREACHABLE: 'does it run there? --relay, --projector and --registry name the address',
  NETWORK: 'is a broker listening at --bootstrap-server?',
  TIMEOUT: 'is a broker listening at --bootstrap-server?',
}

/** What the user is told of an error, and the exit code. Anything that is no failure is thrown on. */
export function failureOf(error: unknown): Failure {
  if (error instanceof UsageError) {
    return { exitCode: EXIT.usage, code: 'USAGE', message: error.message, hint: '' }
  }
  if (error instanceof KafkaError) {
    const { code, message } = error
    return { exitCode: exitCodeOf(code), code, message, hint: HINTS[code] ?? '' }
  }
  if (error instanceof HttpApiError) {
    const { code, message, status } = error
    const isAway = status === 0 || code === UNAVAILABLE
    const exitCode = isAway ? EXIT.unreachable : exitCodeOf(`HTTP_${status}`)
    return { exitCode, code, message, hint: HINTS[code] ?? '' }
  }
  // Of the files of a log, or of their lock.
  if (error instanceof OperationalError) {
    const { code, message } = error
    const exitCode = code === 'DIRECTORY_LOCKED' ? EXIT.conflict : exitCodeOf(code)
    return { exitCode, code, message, hint: HINTS[code] ?? '' }
  }
  const code = (error as { readonly code?: unknown } | null)?.code
  // An error of the operating system: no such file, no permission.
  if (error instanceof Error && typeof code === 'string' && 'syscall' in error) {
    const exitCode = code === FILE_NOT_FOUND ? EXIT.notFound : EXIT.failed
    return { exitCode, code, message: errorMessage(error), hint: '' }
  }
  throw error
}

function exitCodeOf(code: string): ExitCode {
  if (USAGE.has(code)) return EXIT.usage
  if (NOT_FOUND.has(code) || code === FILE_NOT_FOUND) return EXIT.notFound
  if (DENIED.has(code)) return EXIT.denied
  if (CONFLICT.has(code)) return EXIT.conflict
  return UNREACHABLE.has(code) ? EXIT.unreachable : EXIT.failed
}
