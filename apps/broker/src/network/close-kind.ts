/** Why a connection ended, in the words of the metric `fairlead_connections_closed_total`. */
export const CLOSE_KINDS = [
  /** Silent for `connections.max.idle.ms`. */
  'idle',
  /** A frame or a request that is not what the protocol says. */
  'malformed',
  /** TLS, HTTP, SSH. */
  'foreign_protocol',
  /** An API or a version that is not spoken here. */
  'unsupported',
  /** A frame that hardly moved. */
  'slow_sender',
  /** Responses that were not read. */
  'slow_reader',
  /** A frame that was begun and never ended. */
  'left_inside_frame',
  /** A request that takes more memory than there is, or the heaviest peer when it was short. */
  'memory',
  /** A produce request with acks=0 that failed: there is no other way to say so. */
  'unanswered_failure',
  /** The network, or a peer that reset the connection. */
  'network_error',
  /** `max.connections` and the like. */
  'refused',
  /** `max.connections` was lowered. */
  'excess',
  /** The broker erred. */
  'handler_failed',
] as const

export type CloseKind = (typeof CLOSE_KINDS)[number]

/** Of a connection that `max.connections` has no place for any more. */
export const EXCESS: CloseReason = { kind: 'excess', reason: 'max.connections was lowered' }

export type CloseReason = {
  readonly kind: CloseKind
  readonly reason: string
  /** Set when the broker itself erred: worth a stack trace. */
  readonly error?: unknown
}
