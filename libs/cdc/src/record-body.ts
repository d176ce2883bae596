import { copyBytes, readVarint, varintSize, writeVarint } from '@fairlead/base'
import { byteaBytes, writeBytea } from './postgres-text.ts'

export type EventHeader = readonly [name: string, value: Uint8Array | null]

const SLAB_BYTES = 65_536
/** A larger record for which a piece has no room gets memory of its own, which no other one keeps alive. */
const SHARED_BYTES_MAX = SLAB_BYTES / 16
/** What follows the part of a record that did not fit: mostly the headers. */
const SPARE_BYTES = 512
const VARINT_BYTES_MAX = 5
/** Of one UTF-16 unit. */
const UTF8_BYTES_MAX = 3
const ASCII_MAX = 0x7f
const NULL_LENGTH = -1

const TEXT = new TextEncoder()
const LENIENT_TEXT = new TextDecoder('utf-8', { ignoreBOM: true })

/**
 * Writes key, value and headers of records as a record batch has them (magic 2, behind the deltas), side by
 * side in large pieces of memory. A record is copied once then, from the message into a piece, and as a whole
 * from there into its batch; and thousands of records in memory are few objects for the garbage collector.
 *
 * A piece lives as long as any record in it: records that are made together should die together.
 *
 * `begin`, the key, the value, the count of headers, each header, `end`. A record that is not ended leaves
 * nothing behind.
 */
export class RecordBodyWriter {
  #slab: Uint8Array
  /** Of the slab. */
  #usedBytes = 0
  /** Where the record is: the slab, or memory of its own. */
  #bytes: Uint8Array
  #start = 0
  #position = 0

  constructor(slabBytes: number = SLAB_BYTES) {
    this.#slab = new Uint8Array(slabBytes)
    this.#bytes = this.#slab
  }

  begin(): void {
    this.#bytes = this.#slab
    this.#start = this.#usedBytes
    this.#position = this.#usedBytes
  }

  end(): RecordBody {
    if (this.#bytes === this.#slab) this.#usedBytes = this.#position
    return new RecordBody(this.#bytes, this.#start, this.#position)
  }

  null(): void {
    this.#reserve(1)
    this.#varint(NULL_LENGTH)
  }

  bytes(bytes: Uint8Array | null): void {
    if (bytes === null) this.null()
    else this.range(bytes, 0, bytes.length)
  }

  /** The bytes from `start` up to before `end`. */
  range(source: Uint8Array, start: number, end: number): void {
    const length = end - start
    this.#reserve(VARINT_BYTES_MAX + length)
    this.#varint(length)
    this.#position = copyBytes(source, start, end, this.#bytes, this.#position)
  }

  /** @throws {DecodeError} when the text from `start` up to before `end` is no bytea in its hex form. */
  bytea(text: Uint8Array, start: number, end: number): void {
    const length = byteaBytes(text, start, end)
    this.#reserve(VARINT_BYTES_MAX + length)
    const position = writeVarint(this.#bytes, this.#position, length)
    writeBytea(text, start, end, this.#bytes, position)
    this.#position = position + length
  }

  text(text: string): void {
    const { length } = text
    this.#reserve(VARINT_BYTES_MAX + length)
    const start = writeVarint(this.#bytes, this.#position, length)
    const bytes = this.#bytes
    for (let index = 0; index < length; index += 1) {
      const unit = text.charCodeAt(index)
      if (unit > ASCII_MAX) {
        this.bytes(TEXT.encode(text))
        return
      }
      bytes[start + index] = unit
    }
    this.#position = start + length
  }

  headerCount(count: number): void {
    this.#reserve(VARINT_BYTES_MAX)
    this.#varint(count)
  }

  header([name, value]: EventHeader): void {
    this.text(name)
    this.bytes(value)
  }

  #varint(value: number): void {
    this.#position = writeVarint(this.#bytes, this.#position, value)
  }

  #reserve(sizeBytes: number): void {
    if (this.#position + sizeBytes > this.#bytes.length) this.#move(sizeBytes)
  }

  /** What there is of the record, to where there is room for so much more of it. */
  #move(sizeBytes: number): void {
    const from = this.#bytes
    const start = this.#start
    const writtenBytes = this.#position - start
    const neededBytes = writtenBytes + sizeBytes + SPARE_BYTES
    if (neededBytes > SHARED_BYTES_MAX) this.#bytes = new Uint8Array(neededBytes)
    else {
      this.#slab = new Uint8Array(SLAB_BYTES)
      this.#usedBytes = 0
      this.#bytes = this.#slab
    }
    this.#start = 0
    this.#position = copyBytes(from, start, start + writtenBytes, this.#bytes, 0)
  }
}

/** Key, value and headers of a record, from `start` up to before `end`. */
export class RecordBody {
  readonly bytes: Uint8Array
  readonly start: number
  readonly end: number

  constructor(bytes: Uint8Array, start: number, end: number) {
    this.bytes = bytes
    this.start = start
    this.end = end
  }

  static of(
    key: Uint8Array | null,
    value: Uint8Array | null,
    headers: readonly EventHeader[],
  ): RecordBody {
    // What is too small is moved to a slab, which this record alone would hold.
    let sizeBytes = (key?.length ?? 0) + (value?.length ?? 0) + SPARE_BYTES
    for (const [name, bytes] of headers) {
      sizeBytes += UTF8_BYTES_MAX * name.length + (bytes?.length ?? 0) + 2 * VARINT_BYTES_MAX
    }
    const writer = new RecordBodyWriter(sizeBytes)
    writer.begin()
    writer.bytes(key)
    writer.bytes(value)
    writer.headerCount(headers.length)
    for (const header of headers) writer.header(header)
    return writer.end()
  }

  /** -1 of null. */
  get keyLength(): number {
    return readVarint(this.bytes, this.start)
  }

  get keyStart(): number {
    return this.start + varintSize(this.keyLength)
  }

  /** A view. */
  get key(): Uint8Array | null {
    return this.#partAt(this.start)
  }

  /** A view. */
  get value(): Uint8Array | null {
    return this.#partAt(this.#behind(this.start))
  }

  get headers(): readonly EventHeader[] {
    let position = this.#behind(this.#behind(this.start))
    const count = readVarint(this.bytes, position)
    position += varintSize(count)
    const headers: EventHeader[] = []
    for (let index = 0; index < count; index += 1) {
      const valuePosition = this.#behind(position)
      headers.push([this.#textAt(position) ?? '', this.#partAt(valuePosition)])
      position = this.#behind(valuePosition)
    }
    return headers
  }

  /** The key as text; what is no UTF-8 in it is U+FFFD. */
  get keyText(): string | null {
    return this.#textAt(this.start)
  }

  /** The value of the first header as text. */
  get firstHeaderText(): string | null {
    const count = this.#behind(this.#behind(this.start))
    return this.#textAt(this.#behind(count + varintSize(readVarint(this.bytes, count))))
  }

  #textAt(position: number): string | null {
    const part = this.#partAt(position)
    return part === null ? null : LENIENT_TEXT.decode(part)
  }

  #partAt(position: number): Uint8Array | null {
    const length = readVarint(this.bytes, position)
    if (length === NULL_LENGTH) return null
    const start = position + varintSize(length)
    return this.bytes.subarray(start, start + length)
  }

  #behind(position: number): number {
    const length = readVarint(this.bytes, position)
    return position + varintSize(length) + Math.max(0, length)
  }
}
