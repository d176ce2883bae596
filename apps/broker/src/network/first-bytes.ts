/** Bytes that `foreignProtocol` needs. */
export const FIRST_BYTES = 4

export type ForeignProtocol = {
  readonly reason: string
  /** What is said before the connection ends, in the peer's own protocol. */
  readonly farewell: Uint8Array
}

const HTTP_METHODS: readonly string[] = [
  'GET ',
  'POST',
  'PUT ',
  'HEAD',
  'OPTI',
  'DELE',
  'PATC',
  'CONN',
  'TRAC',
  'PRI ',
]
const TLS_HANDSHAKE = 0x16
const TLS_MAJOR_VERSION = 3
/** A record of type alert, version 1.0, two bytes: fatal, handshake_failure. */
const TLS_ALERT = Uint8Array.of(0x15, 3, 1, 0, 2, 2, 40)

const HTTP_SENTENCE =
  'This port speaks the Kafka protocol, not HTTP. Health and metrics are on http.port.\n'
const HTTP_ANSWER = new TextEncoder().encode(
  'HTTP/1.1 400 Bad Request\r\n' +
    'Content-Type: text/plain; charset=utf-8\r\n' +
    `Content-Length: ${HTTP_SENTENCE.length}\r\n` +
    `Connection: close\r\n\r\n${HTTP_SENTENCE}`,
)

/**
 * What a peer speaks that does not speak Kafka's protocol, judged by its first four bytes. Read as
 * the size of a frame they are all far above the default of `socket.request.max.bytes`; a frame that
 * is allowed is never mistaken, since only a refused size is asked about.
 */
export function foreignProtocol(firstBytes: Uint8Array): ForeignProtocol | undefined {
  if (firstBytes.length < FIRST_BYTES) return undefined
  if (firstBytes[0] === TLS_HANDSHAKE && firstBytes[1] === TLS_MAJOR_VERSION) {
    return {
      reason: 'the peer speaks TLS to a PLAINTEXT listener: set security.protocol=PLAINTEXT',
      farewell: TLS_ALERT,
    }
  }
  const text = String.fromCharCode(...firstBytes.subarray(0, FIRST_BYTES))
  if (HTTP_METHODS.includes(text)) {
    return {
      reason: 'the peer speaks HTTP to a Kafka listener: health and metrics are on http.port',
      farewell: HTTP_ANSWER,
    }
  }
  if (text === 'SSH-') {
    return { reason: 'the peer speaks SSH to a Kafka listener', farewell: new Uint8Array() }
  }
  return undefined
}
