/** Type and length of a message of the protocol; the length counts itself and not the type. */
const HEADER_BYTES = 5
const TYPE_BYTES = 1
const COPY_DATA = 0x64 // d
const WAL_DATA = 0x77 // w
/** Of a message with WAL data: `w`, where it starts, where the log ends, and the server's clock. */
const WAL_HEADER_BYTES = 1 + 8 + 8 + 8
/** Shorter messages are put together in memory that is used again. */
const KEPT_BYTES_MAX = 65_536

export type BackendListeners = {
  /** What a message of WAL data carries, from `start` up to before `end`; overwritten once it returns. */
  onWalData(bytes: Uint8Array, start: number, end: number): void
  /** Any other message, from its type on. */
  onOther(message: Buffer): void
}

/**
 * Cuts what a walsender sends into messages, and WAL data out of them: a row is handed on where it was read,
 * without an object made for it. A message that came in pieces is put together first.
 *
 * All other messages are for the parser of `pg`. It never gets a part of one: it would double its buffer until
 * a message fits, and of a row of 100 MB leave 127 MB behind that are not collected in time.
 */
export class BackendMessages {
  readonly #listeners: BackendListeners
  /** Of a message that has not come whole, from its type on. */
  #begun: Buffer = Buffer.alloc(0)
  #begunBytes = 0
  /** Of that message; 0 while its header has not come whole. */
  #wholeBytes = 0

  /** The first bytes that come begin a message. */
  constructor(listeners: BackendListeners) {
    this.#listeners = listeners
  }

  push(chunk: Buffer): void {
    let position = this.#begunBytes > 0 ? this.#complete(chunk) : 0
    while (position + HEADER_BYTES <= chunk.length) {
      const end = position + sizeOf(chunk, position)
      if (end > chunk.length) break
      this.#hand(chunk, position, end)
      position = end
    }
    if (position < chunk.length) this.#begin(chunk, position)
  }

  #begin(chunk: Buffer, position: number): void {
    this.#wholeBytes = 0
    this.#begunBytes = 0
    this.#take(chunk, position, Math.min(chunk.length, position + HEADER_BYTES))
    if (this.#begunBytes === HEADER_BYTES) this.#fill(chunk, position + HEADER_BYTES)
  }

  /** Gives the position of what follows the message that had begun. */
  #complete(chunk: Buffer): number {
    const missing = Math.max(0, HEADER_BYTES - this.#begunBytes)
    const position = this.#take(chunk, 0, Math.min(chunk.length, missing))
    return this.#begunBytes < HEADER_BYTES ? position : this.#fill(chunk, position)
  }

  /** The header has come. */
  #fill(chunk: Buffer, position: number): number {
    this.#wholeBytes = sizeOf(this.#begun, 0)
    const missing = this.#wholeBytes - this.#begunBytes
    const end = this.#take(chunk, position, Math.min(chunk.length, position + missing))
    if (this.#begunBytes < this.#wholeBytes) return end
    const message = this.#begun
    if (message.length > KEPT_BYTES_MAX) this.#begun = Buffer.alloc(0)
    this.#begunBytes = 0
    this.#hand(message, 0, this.#wholeBytes)
    return end
  }

  #take(chunk: Buffer, start: number, end: number): number {
    const neededBytes = Math.max(this.#wholeBytes, this.#begunBytes + end - start)
    if (neededBytes > this.#begun.length) {
      const longer = Buffer.allocUnsafeSlow(Math.max(neededBytes, HEADER_BYTES))
      this.#begun.copy(longer, 0, 0, this.#begunBytes)
      this.#begun = longer
    }
    chunk.copy(this.#begun, this.#begunBytes, start, end)
    this.#begunBytes += end - start
    return end
  }

  #hand(bytes: Buffer, start: number, end: number): void {
    const body = start + HEADER_BYTES
    if (bytes[start] === COPY_DATA && bytes[body] === WAL_DATA && body < end) {
      this.#listeners.onWalData(bytes, Math.min(body + WAL_HEADER_BYTES, end), end)
    } else this.#listeners.onOther(bytes.subarray(start, end))
  }
}

/** Of the message whose header stands at `position`. */
function sizeOf(bytes: Buffer, position: number): number {
  return Math.max(HEADER_BYTES, TYPE_BYTES + bytes.readUInt32BE(position + TYPE_BYTES))
}
