const HTTP_METHODS: readonly string[] = ['GET ', 'POST', 'PUT ', 'HEAD', 'OPTI', 'DELE', 'PATC']
const TLS_HANDSHAKE = 0x16
const TLS_MAJOR_VERSION = 3

/** Bytes that `foreignProtocol` needs. */
export const FIRST_BYTES = 4

/**
 * What a peer speaks that does not speak Kafka's protocol, judged by its first four bytes. Read as
 * the size of a frame they are all far above any `socket.request.max.bytes`, so that a Kafka client
 * is never mistaken; the point is a log line that names the misconfiguration.
 */
export function foreignProtocol(firstBytes: Uint8Array): string | undefined {
  if (firstBytes.length < FIRST_BYTES) return undefined
  if (firstBytes[0] === TLS_HANDSHAKE && firstBytes[1] === TLS_MAJOR_VERSION) {
    return 'the peer speaks TLS to a PLAINTEXT listener: set security.protocol=PLAINTEXT'
  }
  const text = String.fromCharCode(...firstBytes.subarray(0, FIRST_BYTES))
  if (HTTP_METHODS.includes(text)) {
    return 'the peer speaks HTTP to a Kafka listener: health and metrics are on http.port'
  }
  return undefined
}
