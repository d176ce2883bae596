import { isUtf8 } from 'node:buffer'
import type { ByteReader } from './byte-reader.ts'
import type { IncomingRecord, RecordHeader, TopicPartition } from './records.ts'

/**
 * A record as a place in its batch. Views are made when somebody asks, anew each time: most readers
 * want few of them, and a view takes more memory than what it shows.
 */
export class FetchedRecord implements IncomingRecord {
  readonly #batch: FetchedBatch
  readonly #index: number

  constructor(batch: FetchedBatch, index: number) {
    this.#batch = batch
    this.#index = index
  }

  get topic(): string {
    return this.#batch.topic
  }

  get partition(): number {
    return this.#batch.partition
  }

  get offset(): number {
    return this.#batch.offset(this.#index)
  }

  get timestampMs(): number {
    return this.#batch.timestampMs(this.#index)
  }

  get key(): Uint8Array | null {
    return this.#batch.key(this.#index)
  }

  get value(): Uint8Array | null {
    return this.#batch.value(this.#index)
  }

  get headers(): readonly RecordHeader[] {
    return this.#batch.headers(this.#index)
  }

  textKey(): string | null {
    return this.#batch.textKey(this.#index)
  }

  textHeaders(): Readonly<Record<string, string>> {
    return this.#batch.textHeaders(this.#index)
  }

  readValue<T>(read: (bytes: Uint8Array, start: number, end: number) => T): T | null {
    return this.#batch.readValue(this.#index, read)
  }
}

/** Where the parts of a record lie in the bytes of its batch; a length of -1 stands for null. */
export type RecordPlaces = {
  readonly offset: number
  readonly timestampMs: number
  readonly keyEnd: number
  readonly keyLengthBytes: number
  readonly valueEnd: number
  readonly valueLengthBytes: number
}

/** Numbers of a record beside each other. */
const TIMES_PER_RECORD = 2
const PLACES_PER_RECORD = 4

/**
 * A batch, decompressed, and where its records lie in it, which was checked when it was decoded. A fetch has
 * tens of thousands of records: as objects with these numbers they would be what the garbage collector
 * is busy with.
 *
 * Records of a batch mostly have the same headers at the same places, and many of the same values: a
 * text that is the one before is not decoded again.
 */
export class FetchedBatch implements TopicPartition {
  readonly topic: string
  readonly partition: number
  readonly #reader: ByteReader
  /** Offset and timestamp of each record. */
  readonly #times: Float64Array
  /** End and length of the key, end and length of the value; headers are behind the value. */
  readonly #places: Int32Array
  readonly #names: KnownText[] = []
  readonly #values: KnownText[] = []

  constructor(reader: ByteReader, of: TopicPartition & { readonly recordCountMax: number }) {
    this.topic = of.topic
    this.partition = of.partition
    this.#reader = reader
    this.#times = new Float64Array(of.recordCountMax * TIMES_PER_RECORD)
    this.#places = new Int32Array(of.recordCountMax * PLACES_PER_RECORD)
  }

  set(index: number, places: RecordPlaces): void {
    const time = index * TIMES_PER_RECORD
    this.#times[time] = places.offset
    this.#times[time + 1] = places.timestampMs
    const place = index * PLACES_PER_RECORD
    this.#places[place] = places.keyEnd
    this.#places[place + 1] = places.keyLengthBytes
    this.#places[place + 2] = places.valueEnd
    this.#places[place + 3] = places.valueLengthBytes
  }

  offset(index: number): number {
    return this.#times[index * TIMES_PER_RECORD] as number
  }

  timestampMs(index: number): number {
    return this.#times[index * TIMES_PER_RECORD + 1] as number
  }

  key(index: number): Uint8Array | null {
    const place = index * PLACES_PER_RECORD
    return this.#view(this.#places[place] as number, this.#places[place + 1] as number)
  }

  value(index: number): Uint8Array | null {
    const place = index * PLACES_PER_RECORD
    return this.#view(this.#places[place + 2] as number, this.#places[place + 3] as number)
  }

  /** @see IncomingRecord.readValue */
  readValue<T>(
    index: number,
    read: (bytes: Uint8Array, start: number, end: number) => T,
  ): T | null {
    const place = index * PLACES_PER_RECORD
    const end = this.#places[place + 2] as number
    const lengthBytes = this.#places[place + 3] as number
    return lengthBytes < 0 ? null : read(this.#reader.bytes, end - lengthBytes, end)
  }

  headers(index: number): RecordHeader[] {
    const headers: RecordHeader[] = []
    this.#eachHeader(index, (name, start, lengthBytes) => {
      headers.push([name, this.#view(start + lengthBytes, lengthBytes)])
    })
    return headers
  }

  /** @see IncomingRecord.textKey */
  textKey(index: number): string | null {
    const place = index * PLACES_PER_RECORD
    const end = this.#places[place] as number
    const lengthBytes = this.#places[place + 1] as number
    if (lengthBytes < 0) return null
    const { bytes } = this.#reader
    const start = end - lengthBytes
    if (isAscii(bytes, start, end)) return bytes.toString('latin1', start, end)
    return isUtf8(bytes.subarray(start, end)) ? bytes.toString('utf8', start, end) : null
  }

  /** @see IncomingRecord.textHeaders */
  textHeaders(index: number): Record<string, string> {
    const headers: Record<string, string> = {}
    this.#eachHeader(index, (name, start, lengthBytes, position) => {
      const text = lengthBytes < 0 ? '' : this.#text(this.#values, position, start, lengthBytes)
      if (name === '__proto__') {
        Object.defineProperty(headers, name, { value: text, enumerable: true, configurable: true })
      } else {
        headers[name] = text
      }
    })
    return headers
  }

  #view(end: number, lengthBytes: number): Uint8Array | null {
    return lengthBytes < 0 ? null : this.#reader.bytes.subarray(end - lengthBytes, end)
  }

  #eachHeader(
    index: number,
    onHeader: (name: string, start: number, lengthBytes: number, position: number) => void,
  ): void {
    const reader = this.#reader
    reader.seek(this.#places[index * PLACES_PER_RECORD + 2] as number)
    const count = reader.varint()
    for (let position = 0; position < count; position += 1) {
      const nameLengthBytes = reader.skipVarintBytes()
      const nameStart = reader.position - nameLengthBytes
      const lengthBytes = reader.skipVarintBytes()
      const start = reader.position - Math.max(0, lengthBytes)
      const name = this.#text(this.#names, position, nameStart, nameLengthBytes)
      onHeader(name, start, lengthBytes, position)
    }
  }

  #text(known: KnownText[], position: number, start: number, lengthBytes: number): string {
    const before = known[position]
    if (before !== undefined && this.#isSame(before, start, lengthBytes)) return before.text
    const { bytes } = this.#reader
    const end = start + lengthBytes
    const text = bytes.toString(isAscii(bytes, start, end) ? 'latin1' : 'utf8', start, end)
    if (before === undefined) {
      known[position] = { start, lengthBytes, text }
    } else {
      before.start = start
      before.lengthBytes = lengthBytes
      before.text = text
    }
    return text
  }

  #isSame(known: KnownText, start: number, lengthBytes: number): boolean {
    if (lengthBytes !== known.lengthBytes) return false
    const { bytes } = this.#reader
    // Ids and positions differ at their ends.
    for (let index = lengthBytes - 1; index >= 0; index -= 1) {
      if (bytes[start + index] !== bytes[known.start + index]) return false
    }
    return true
  }
}

/** A text at its last place in the batch. */
type KnownText = { start: number; lengthBytes: number; text: string }

/** ASCII is nearly all that there is, and quicker to copy than to decode. */
function isAscii(bytes: Uint8Array, start: number, end: number): boolean {
  let seen = 0
  for (let index = start; index < end; index += 1) seen |= bytes[index] as number
  return seen < 0x80
}
