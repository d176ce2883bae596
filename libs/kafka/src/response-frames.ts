import { DecodeError } from '@fairlead/base'

const LENGTH_BYTES = 4
/**
 * Twice the most that a fetch of ours asks for. One batch may be larger than what was asked for, but comes to the broker in
 * one request: `socket.request.max.bytes` is 100 MiB. A broker that is none could otherwise fill the memory until a request times out.
 */
const RESPONSE_BYTES_MAX = 536_870_912
/** An alert or a handshake of TLS: the broker answers in it whatever it is asked. */
const TLS_RECORD_TYPES: ReadonlySet<number | undefined> = new Set([0x14, 0x15, 0x16, 0x17])
const TLS_MAJOR_VERSION = 3

/** Puts the length-prefixed responses of a connection together. Nothing is allocated from a length that was only declared. */
export class ResponseFrames {
  #chunks: Buffer[] = []
  #receivedBytes = 0
  /** With its length. */
  #frameBytes: number | undefined

  /**
   * The responses that are whole with these bytes, without their lengths.
   *
   * @throws {DecodeError} when it is not Kafka that speaks.
   */
  receive(chunk: Buffer): readonly Buffer[] {
    this.#chunks.push(chunk)
    this.#receivedBytes += chunk.length
    const frames: Buffer[] = []
    for (;;) {
      if (this.#frameBytes === undefined && this.#receivedBytes >= LENGTH_BYTES) {
        this.#frameBytes = LENGTH_BYTES + declaredLength(this.#joined())
      }
      if (this.#frameBytes === undefined || this.#receivedBytes < this.#frameBytes) return frames
      const bytes = this.#joined()
      frames.push(bytes.subarray(LENGTH_BYTES, this.#frameBytes))
      const rest = bytes.subarray(this.#frameBytes)
      this.#chunks = rest.length === 0 ? [] : [rest]
      this.#receivedBytes = rest.length
      this.#frameBytes = undefined
    }
  }

  #joined(): Buffer {
    const [first] = this.#chunks
    if (first !== undefined && this.#chunks.length === 1) return first
    const joined = Buffer.concat(this.#chunks)
    this.#chunks = [joined]
    return joined
  }
}

function declaredLength(bytes: Buffer): number {
  if (TLS_RECORD_TYPES.has(bytes[0]) && bytes[1] === TLS_MAJOR_VERSION) {
    throw new DecodeError('the broker asks for TLS', 0)
  }
  const length = bytes.readInt32BE()
  if (length < 0) throw new DecodeError(`a response of ${length} bytes`, 0)
  if (length > RESPONSE_BYTES_MAX) {
    throw new DecodeError(`a response of ${length} bytes: ${RESPONSE_BYTES_MAX} are the most`, 0)
  }
  return length
}
