import { DecodeError, type Lsn, lsn } from '@fairlead/base'

const TEXT = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** Milliseconds from the Unix epoch to that of Postgres, 2000-01-01. */
export const POSTGRES_EPOCH_MS = 946_684_800_000

/**
 * Reads the fields of pgoutput messages, one after the other, in network byte order. Every read is checked
 * against the end of the message; what does not fit is a DecodeError. Positions count from where the
 * message starts in `bytes`, for errors, and from where those do, for everything else.
 */
export class MessageReader {
  #bytes: Uint8Array = new Uint8Array()
  /** Made once for all messages that stand in the same bytes. */
  #view: DataView = new DataView(new ArrayBuffer(0))
  #start = 0
  #position = 0
  #end = 0

  /** The next message stands in `bytes` from `start` up to before `end`. */
  open(bytes: Uint8Array, start: number, end: number): void {
    if (bytes !== this.#bytes) {
      this.#bytes = bytes
      this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    }
    this.#start = start
    this.#position = start
    this.#end = end
  }

  get bytes(): Uint8Array {
    return this.#bytes
  }

  get position(): number {
    return this.#position
  }

  get messageBytes(): number {
    return this.#end - this.#start
  }

  failure(what: string, position: number = this.#position): DecodeError {
    return new DecodeError(what, position - this.#start)
  }

  uint8(): number {
    return this.#view.getUint8(this.#take(1))
  }

  uint16(): number {
    return this.#view.getUint16(this.#take(2))
  }

  int32(): number {
    return this.#view.getInt32(this.#take(4))
  }

  /** Object and transaction ids are unsigned: the second half of them is not negative. */
  uint32(): number {
    return this.#view.getUint32(this.#take(4))
  }

  lsn(): Lsn {
    return lsn(this.#view.getBigUint64(this.#take(8)))
  }

  /** Int64 microseconds since 2000-01-01, as milliseconds since the Unix epoch. */
  timestampMs(): number {
    return Math.floor(this.timestampUs() / 1000)
  }

  /** Microseconds since the Unix epoch: exact until the year 2255. */
  timestampUs(): number {
    const start = this.#take(8)
    const micros = this.#view.getInt32(start) * 2 ** 32 + this.#view.getUint32(start + 4)
    return micros + POSTGRES_EPOCH_MS * 1000
  }

  /** Text up to a zero byte. */
  string(): string {
    const start = this.#position
    const end = this.#bytes.indexOf(0, start)
    if (end < 0 || end >= this.#end) throw this.failure('a string has no end')
    this.#position = end + 1
    try {
      return TEXT.decode(this.#bytes.subarray(start, end))
    } catch {
      throw this.failure('text is not UTF-8', start)
    }
  }

  /** Moves over `length` bytes and gives the position of the first one. */
  skip(length: number): number {
    if (length < 0) throw this.failure(`a length of ${length}`)
    return this.#take(length)
  }

  /** Nothing may follow: a longer message than we understand is not one we understand. */
  end(): void {
    const left = this.#end - this.#position
    if (left > 0) throw this.failure(`${left} bytes after the message`)
  }

  #take(length: number): number {
    const start = this.#position
    if (length > this.#end - start) {
      throw this.failure(`${length} bytes do not fit into the message`)
    }
    this.#position = start + length
    return start
  }
}
