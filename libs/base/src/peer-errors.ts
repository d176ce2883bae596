/** Of system calls: a peer is not there, the way to it is not, or this machine has no more sockets or files. */
const SYSTEM_CODES: ReadonlySet<string> = new Set([
  'EADDRNOTAVAIL',
  'EAI_AGAIN',
  'EAI_FAIL',
  'ECONNABORTED',
  'ECONNREFUSED',
  'ECONNRESET',
  'EHOSTDOWN',
  'EHOSTUNREACH',
  'EMFILE',
  'ENETDOWN',
  'ENETRESET',
  'ENETUNREACH',
  'ENFILE',
  'ENOBUFS',
  'ENOTFOUND',
  'EPIPE',
  'EPROTO',
  'ETIMEDOUT',
])

/** Of the `fetch` of Node; others of its codes are about how it was called. */
const FETCH_CODES: ReadonlySet<string> = new Set([
  'UND_ERR_BODY_TIMEOUT',
  'UND_ERR_CONNECT_TIMEOUT',
  'UND_ERR_HEADERS_TIMEOUT',
  'UND_ERR_PRX_TLS',
  'UND_ERR_REQ_RETRY',
  'UND_ERR_SOCKET',
])

/**
 * Certificates that are not valid, or not yet, or not any more, as OpenSSL and Node name them. Not `ERR_OSSL_`, which
 * is also a cipher that somebody uses on data.
 */
const TLS_CODES =
  /^(?:CERT_|UNABLE_TO_|DEPTH_ZERO_|SELF_SIGNED_|HOSTNAME_MISMATCH|ERR_TLS_|ERR_SSL_)/

/**
 * Of `pg` and its pool, whose errors about connections have no code. In any other error such a text says the same.
 */
const CONNECTION_MESSAGES: ReadonlySet<string> = new Set([
  'Client has encountered a connection error and is not queryable',
  'Connection terminated',
  'Connection terminated due to connection timeout',
  'Connection terminated unexpectedly',
  'Query read timeout',
  'timeout exceeded when trying to connect',
])

/** The text of an error that has no code, of a connection that was lost, or could not be had. */
export function isConnectionMessage(message: string): boolean {
  return CONNECTION_MESSAGES.has(message)
}

/** The code of an error that says that a peer cannot be spoken to, whoever throws it. */
export function isPeerErrorCode(code: string): boolean {
  return SYSTEM_CODES.has(code) || FETCH_CODES.has(code) || isTlsPeerErrorCode(code)
}

/** Those of them that are about TLS: a certificate that is not accepted, or TLS that does not come about. */
export function isTlsPeerErrorCode(code: string): boolean {
  return TLS_CODES.test(code)
}
