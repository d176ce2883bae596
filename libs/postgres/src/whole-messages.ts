/** Type and length of a message of the protocol; the length counts itself and not the type. */
const HEADER_BYTES = 5
const TYPE_BYTES = 1
/** From here on a message is put together here. */
const LARGE_BYTES = 1_048_576

/**
 * Hands the bytes of a server on to the parser of `pg`, with each large message in one piece.
 *
 * The parser doubles its buffer until a message fits: a row of 100 MB leaves 127 MB of buffers behind that
 * are not collected in time. A message that comes in one piece is parsed where it is.
 */
export class WholeMessages {
  readonly #parse: (bytes: Buffer) => void
  /** Of a message that is handed on as it comes. */
  #passBytes = 0
  #large: { readonly bytes: Buffer; filledBytes: number } | undefined
  /** The begin of a header. */
  #header: Buffer = Buffer.alloc(0)

  /** The first bytes that come begin a message. */
  constructor(parse: (bytes: Buffer) => void) {
    this.#parse = parse
  }

  push(received: Buffer): void {
    const chunk = this.#header.length === 0 ? received : Buffer.concat([this.#header, received])
    this.#header = Buffer.alloc(0)
    let start = this.#fill(chunk)
    if (this.#large !== undefined) return
    let position = start + this.#passBytes
    this.#passBytes = 0
    while (position + HEADER_BYTES <= chunk.length) {
      const sizeBytes = TYPE_BYTES + chunk.readUInt32BE(position + TYPE_BYTES)
      const isWhole = position + sizeBytes <= chunk.length
      if (!isWhole && sizeBytes >= LARGE_BYTES) {
        this.#hand(chunk.subarray(start, position))
        this.#large = { bytes: Buffer.allocUnsafeSlow(sizeBytes), filledBytes: 0 }
        this.#fill(chunk.subarray(position))
        return
      }
      position += sizeBytes
    }
    if (position < chunk.length) {
      this.#hand(chunk.subarray(start, position))
      this.#header = Buffer.from(chunk.subarray(position))
      start = chunk.length
    } else this.#passBytes = position - chunk.length
    this.#hand(chunk.subarray(start))
  }

  /** How many of the bytes belong to the large message that is being put together. */
  #fill(chunk: Buffer): number {
    const large = this.#large
    if (large === undefined) return 0
    const copiedBytes = chunk.copy(large.bytes, large.filledBytes)
    large.filledBytes += copiedBytes
    if (large.filledBytes === large.bytes.length) {
      this.#large = undefined
      this.#hand(large.bytes)
    }
    return copiedBytes
  }

  #hand(bytes: Buffer): void {
    if (bytes.length > 0) this.#parse(bytes)
  }
}
