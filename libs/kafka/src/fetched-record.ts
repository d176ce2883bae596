import { isUtf8 } from 'node:buffer'
import type { ByteReader } from './byte-reader.ts'
import type { HeaderInPlace, IncomingRecord, RecordHeader, TopicPartition } from './records.ts'

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

  visitHeaders(visit: (header: HeaderInPlace) => void): void {
    this.#batch.visitHeaders(this.#index, visit)
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
  readonly #names: KnownTexts
  readonly #header: CurrentHeader

  constructor(reader: ByteReader, of: TopicPartition & { readonly recordCountMax: number }) {
    this.topic = of.topic
    this.partition = of.partition
    this.#reader = reader
    this.#names = new KnownTexts(reader.bytes)
    this.#header = new CurrentHeader(reader.bytes)
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
    this.#eachHeader(index, (header) => {
      headers.push([header.name, this.#view(header.end, header.lengthBytes)])
    })
    return headers
  }

  /** @see IncomingRecord.visitHeaders */
  visitHeaders(index: number, visit: (header: HeaderInPlace) => void): void {
    this.#eachHeader(index, visit)
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
    this.#eachHeader(index, (header) => {
      const { name } = header
      const value = header.text()
      if (name === '__proto__') {
        Object.defineProperty(headers, name, { value, enumerable: true, configurable: true })
      } else {
        headers[name] = value
      }
    })
    return headers
  }

  #view(end: number, lengthBytes: number): Uint8Array | null {
    return lengthBytes < 0 ? null : this.#reader.bytes.subarray(end - lengthBytes, end)
  }

  /** One header after the other, in one object. */
  #eachHeader(index: number, visit: (header: CurrentHeader) => void): void {
    const reader = this.#reader
    const header = this.#header
    reader.seek(this.#places[index * PLACES_PER_RECORD + 2] as number)
    const count = reader.varint()
    for (let position = 0; position < count; position += 1) {
      const nameLengthBytes = reader.skipVarintBytes()
      const nameStart = reader.position - nameLengthBytes
      const lengthBytes = reader.skipVarintBytes()
      // A visitor may read other records of the batch.
      const end = reader.position
      header.name = this.#names.text(position, nameStart, nameStart + nameLengthBytes)
      header.position = position
      header.lengthBytes = lengthBytes
      header.start = end - Math.max(0, lengthBytes)
      header.end = end
      visit(header)
      reader.seek(end)
    }
  }
}

class CurrentHeader implements HeaderInPlace {
  readonly bytes: Buffer
  readonly #values: KnownTexts
  name = ''
  /** Among the headers of its record. */
  position = 0
  start = 0
  end = 0
  /** -1 stands for null. */
  lengthBytes = 0

  constructor(bytes: Buffer) {
    this.bytes = bytes
    this.#values = new KnownTexts(bytes)
  }

  text(): string {
    return this.#values.text(this.position, this.start, this.end)
  }
}

/** Of the names, or of the values, of the headers of a batch, by their positions in the records. */
class KnownTexts {
  readonly #bytes: Buffer
  readonly #known: KnownText[] = []

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  text(position: number, start: number, end: number): string {
    const before = this.#known[position]
    if (before !== undefined && this.#isSame(before, start, end - start)) return before.text
    const bytes = this.#bytes
    const text = bytes.toString(isAscii(bytes, start, end) ? 'latin1' : 'utf8', start, end)
    if (before === undefined) {
      this.#known[position] = { start, lengthBytes: end - start, text }
    } else {
      before.start = start
      before.lengthBytes = end - start
      before.text = text
    }
    return text
  }

  #isSame(known: KnownText, start: number, lengthBytes: number): boolean {
    if (lengthBytes !== known.lengthBytes) return false
    const bytes = this.#bytes
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
