import { DecodeError, type Lsn, lsn } from '@fairlead/base'

const TEXT = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** Milliseconds from the Unix epoch to that of Postgres, 2000-01-01. */
export const POSTGRES_EPOCH_MS = 946_684_800_000

/**
 * Reads the fields of one pgoutput message, in network byte order. Every read is checked against
 * the end of the message; what does not fit is a DecodeError.
 */
export class MessageReader {
  readonly bytes: Uint8Array
  readonly #view: DataView
  #position = 0

  constructor(bytes: Uint8Array) {
    this.bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  get position(): number {
    return this.#position
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
    const end = this.bytes.indexOf(0, this.#position)
    if (end < 0) throw new DecodeError('a string has no end', this.#position)
    const start = this.#position
    this.#position = end + 1
    return decodeText(this.bytes.subarray(start, end), start)
  }

  /** Moves over `length` bytes and gives the position of the first one. */
  skip(length: number): number {
    if (length < 0) throw new DecodeError(`a length of ${length}`, this.#position)
    return this.#take(length)
  }

  /** Nothing may follow: a longer message than we understand is not one we understand. */
  end(): void {
    const left = this.bytes.length - this.#position
    if (left > 0) throw new DecodeError(`${left} bytes after the message`, this.#position)
  }

  #take(length: number): number {
    const start = this.#position
    if (length > this.bytes.length - start) {
      throw new DecodeError(`${length} bytes do not fit into the message`, start)
    }
    this.#position = start + length
    return start
  }
}

/** @throws {DecodeError} when the bytes are not UTF-8. */
function decodeText(bytes: Uint8Array, position = 0): string {
  try {
    return TEXT.decode(bytes)
  } catch {
    throw new DecodeError('text is not UTF-8', position)
  }
}
