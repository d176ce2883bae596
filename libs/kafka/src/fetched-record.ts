import { isUtf8 } from 'node:buffer'
import { DecodeError } from '@fairlead/base'
import type { ByteReader } from './byte-reader.ts'
import type { KeyTexts } from './key-texts.ts'
import type { IncomingRecord, RecordHeader, TimestampType, TopicPartition } from './records.ts'

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

  get timestampType(): TimestampType {
    return this.#batch.timestampType
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

  get headerNames(): readonly string[] {
    return this.#batch.headerNames(this.#index)
  }

  headerText(position: number): string {
    return this.#batch.headerText(this.#index, position)
  }

  readHeader<T>(position: number, read: (bytes: Uint8Array, start: number, end: number) => T): T {
    return this.#batch.readHeader(this.#index, position, read)
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
const NUMBERS_PER_RECORD = 8
const OFFSET = 0
const TIMESTAMP_MS = 1
const KEY_END = 2
const KEY_LENGTH = 3
const VALUE_END = 4
const VALUE_LENGTH = 5
const FIRST_HEADER = 6
/** Which of the shapes of the batch the headers have. */
const SHAPE = 7
const NO_HEADERS = -1
/** Numbers of a header beside each other: where its value ends, and its length. */
const PLACES_PER_HEADER = 2
/** What there is place for at first, for each record. */
const HEADERS_EXPECTED = 4
/** Names that there is place for at first, in one record. */
const NAMES_EXPECTED = 16
const NO_PLACES = new Int32Array()
const NO_NAMES: readonly string[] = []
/** A topic has records of a few kinds. */
const SHAPES_COMPARED_MAX = 4

/**
 * A batch, decompressed, and where its records lie in it. A fetch has tens of thousands of records: as
 * objects with these numbers they would be what the garbage collector is busy with.
 *
 * It is filled record by record: first the headers of one are read, then its places are set.
 */
export class FetchedBatch implements TopicPartition {
  readonly topic: string
  readonly partition: number
  readonly timestampType: TimestampType
  readonly #bytes: Buffer
  readonly #numbers: Float64Array
  readonly #recordCountMax: number
  readonly #keyTexts: KeyTexts
  #headerPlaces = NO_PLACES
  #headerCount = 0
  readonly #shapes: HeaderShape[] = []
  /** Ends and lengths of the names that are being read. An array whose length is set to 0 would lose its memory. */
  #namePlaces: Int32Array = new Int32Array(2 * NAMES_EXPECTED)

  constructor(
    bytes: Buffer,
    of: TopicPartition & {
      readonly timestampType: TimestampType
      readonly recordCountMax: number
      readonly keyTexts: KeyTexts
    },
  ) {
    const { topic, partition, timestampType, recordCountMax, keyTexts } = of
    this.topic = topic
    this.partition = partition
    this.timestampType = timestampType
    this.#bytes = bytes
    this.#recordCountMax = recordCountMax
    this.#keyTexts = keyTexts
    this.#numbers = new Float64Array(recordCountMax * NUMBERS_PER_RECORD)
  }

  /**
   * Notes where the headers of the record `index` are.
   *
   * @throws {DecodeError} when they are not whole.
   */
  readHeaders(index: number, reader: ByteReader): void {
    const count = reader.varint()
    let nameCount = 0
    this.#numbers[index * NUMBERS_PER_RECORD + FIRST_HEADER] = this.#headerCount
    for (let header = 0; header < count; header += 1) {
      const nameLengthBytes = reader.skipVarintBytes()
      if (nameLengthBytes < 0) throw new DecodeError('a header has no name', reader.position)
      this.#noteName(nameCount, reader.position, nameLengthBytes)
      nameCount += 1
      const lengthBytes = reader.skipVarintBytes()
      this.#noteHeader(reader.position, lengthBytes)
    }
    this.#numbers[index * NUMBERS_PER_RECORD + SHAPE] = this.#shapeOf(nameCount)
  }

  setPlaces(index: number, places: RecordPlaces): void {
    const numbers = this.#numbers
    const first = index * NUMBERS_PER_RECORD
    numbers[first + OFFSET] = places.offset
    numbers[first + TIMESTAMP_MS] = places.timestampMs
    numbers[first + KEY_END] = places.keyEnd
    numbers[first + KEY_LENGTH] = places.keyLengthBytes
    numbers[first + VALUE_END] = places.valueEnd
    numbers[first + VALUE_LENGTH] = places.valueLengthBytes
  }

  offset(index: number): number {
    return this.#number(index, OFFSET)
  }

  timestampMs(index: number): number {
    return this.#number(index, TIMESTAMP_MS)
  }

  key(index: number): Uint8Array | null {
    return this.#view(this.#number(index, KEY_END), this.#number(index, KEY_LENGTH))
  }

  value(index: number): Uint8Array | null {
    return this.#view(this.#number(index, VALUE_END), this.#number(index, VALUE_LENGTH))
  }

  /** @see IncomingRecord.readValue */
  readValue<T>(
    index: number,
    read: (bytes: Uint8Array, start: number, end: number) => T,
  ): T | null {
    const end = this.#number(index, VALUE_END)
    const lengthBytes = this.#number(index, VALUE_LENGTH)
    return lengthBytes < 0 ? null : read(this.#bytes, end - lengthBytes, end)
  }

  headers(index: number): RecordHeader[] {
    return this.headerNames(index).map((name, position) => {
      const place = this.#headerPlace(index, position)
      return [name, this.#view(this.#headerEnd(place), this.#headerLength(place))]
    })
  }

  /** @see IncomingRecord.headerNames */
  headerNames(index: number): readonly string[] {
    return this.#shape(index)?.names ?? NO_NAMES
  }

  /** @see IncomingRecord.readHeader */
  readHeader<T>(
    index: number,
    position: number,
    read: (bytes: Uint8Array, start: number, end: number) => T,
  ): T {
    const place = this.#headerPlace(index, position)
    const end = this.#headerEnd(place)
    return read(this.#bytes, end - Math.max(0, this.#headerLength(place)), end)
  }

  /** @see IncomingRecord.headerText */
  headerText(index: number, position: number): string {
    const shape = this.#shape(index)
    return shape === undefined
      ? ''
      : this.#textAt(this.#headerPlace(index, position), shape, position)
  }

  /** @see IncomingRecord.textKey */
  textKey(index: number): string | null {
    const end = this.#number(index, KEY_END)
    const lengthBytes = this.#number(index, KEY_LENGTH)
    if (lengthBytes < 0) return null
    const bytes = this.#bytes
    const start = end - lengthBytes
    const ascii = this.#keyTexts.asciiText(bytes, start, end)
    if (ascii !== undefined) return ascii
    return isUtf8(bytes.subarray(start, end)) ? bytes.toString('utf8', start, end) : null
  }

  /** @see IncomingRecord.textHeaders */
  textHeaders(index: number): Record<string, string> {
    const shape = this.#shape(index)
    if (shape === undefined) return {}
    const { names } = shape
    const headers = shape.newTexts()
    let place = this.#headerPlace(index, 0)
    for (let position = 0; position < names.length; position += 1) {
      const name = names[position] as string
      const value = this.#textAt(place, shape, position)
      if (name === '__proto__') {
        Object.defineProperty(headers, name, { value, enumerable: true, configurable: true })
      } else {
        headers[name] = value
      }
      place += PLACES_PER_HEADER
    }
    return headers
  }

  #number(index: number, which: number): number {
    return this.#numbers[index * NUMBERS_PER_RECORD + which] as number
  }

  #view(end: number, lengthBytes: number): Uint8Array | null {
    return lengthBytes < 0 ? null : this.#bytes.subarray(end - lengthBytes, end)
  }

  /** Undefined without headers. */
  #shape(index: number): HeaderShape | undefined {
    return this.#shapes[this.#number(index, SHAPE)]
  }

  /** Where the end of a header is noted, and behind it its length: -1 stands for null. */
  #headerPlace(index: number, position: number): number {
    return (this.#number(index, FIRST_HEADER) + position) * PLACES_PER_HEADER
  }

  #headerEnd(place: number): number {
    return this.#headerPlaces[place] as number
  }

  #headerLength(place: number): number {
    return this.#headerPlaces[place + 1] as number
  }

  #textAt(place: number, { values }: HeaderShape, position: number): string {
    const end = this.#headerEnd(place)
    return values.text(position, end - Math.max(0, this.#headerLength(place)), end)
  }

  #noteHeader(end: number, lengthBytes: number): void {
    const place = this.#headerCount * PLACES_PER_HEADER
    if (place === this.#headerPlaces.length) {
      const expected = this.#recordCountMax * HEADERS_EXPECTED * PLACES_PER_HEADER
      const larger = new Int32Array(Math.max(expected, 2 * place))
      larger.set(this.#headerPlaces)
      this.#headerPlaces = larger
    }
    this.#headerPlaces[place] = end
    this.#headerPlaces[place + 1] = lengthBytes
    this.#headerCount += 1
  }

  #noteName(index: number, end: number, lengthBytes: number): void {
    const place = 2 * index
    if (place === this.#namePlaces.length) {
      const larger = new Int32Array(2 * place)
      larger.set(this.#namePlaces)
      this.#namePlaces = larger
    }
    this.#namePlaces[place] = end
    this.#namePlaces[place + 1] = lengthBytes
  }

  /** Of so many names that were noted. */
  #shapeOf(nameCount: number): number {
    if (nameCount === 0) return NO_HEADERS
    const last = this.#shapes.length - 1
    for (let index = last; index >= 0 && index > last - SHAPES_COMPARED_MAX; index -= 1) {
      if (this.#shapes[index]?.hasNames(this.#namePlaces, nameCount) === true) return index
    }
    this.#shapes.push(new HeaderShape(this.#bytes, this.#namePlaces.slice(0, 2 * nameCount)))
    return last + 1
  }
}

/**
 * The names of the headers of a record. Records of a batch mostly have the same headers in the same order, and
 * many of the same values: a text that is the one before is not decoded again.
 */
class HeaderShape {
  readonly names: readonly string[]
  readonly values: KnownTexts
  readonly #bytes: Buffer
  /** Ends and lengths, where they first were. */
  readonly #namePlaces: Int32Array
  #noTexts: Readonly<Record<string, string>> | undefined

  constructor(bytes: Buffer, namePlaces: Int32Array) {
    const names: string[] = []
    for (let place = 0; place < namePlaces.length; place += 2) {
      const end = namePlaces[place] as number
      names.push(textAt(bytes, end - (namePlaces[place + 1] as number), end))
    }
    this.names = names
    this.values = new KnownTexts(bytes)
    this.#bytes = bytes
    this.#namePlaces = namePlaces
  }

  hasNames(namePlaces: Int32Array, nameCount: number): boolean {
    const known = this.#namePlaces
    if (known.length !== 2 * nameCount) return false
    for (let place = 0; place < known.length; place += 2) {
      const lengthBytes = known[place + 1] as number
      if (lengthBytes !== namePlaces[place + 1]) return false
      const start = (known[place] as number) - lengthBytes
      const other = (namePlaces[place] as number) - lengthBytes
      if (!isSame(this.#bytes, start, other, lengthBytes)) return false
    }
    return true
  }

  /** An object that has the names already, which takes less than to give them to it one by one. */
  newTexts(): Record<string, string> {
    this.#noTexts ??= noTexts(this.names)
    return { ...this.#noTexts }
  }
}

function noTexts(names: readonly string[]): Record<string, string> {
  const texts: Record<string, string> = {}
  // `__proto__` is no name to give a value by assigning it.
  for (const name of names) if (name !== '__proto__') texts[name] = ''
  return texts
}

/** The last text at each position among the headers. */
class KnownTexts {
  readonly #bytes: Buffer
  readonly #known: KnownText[] = []

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  text(position: number, start: number, end: number): string {
    const before = this.#known[position]
    const lengthBytes = end - start
    if (before === undefined) {
      const text = textAt(this.#bytes, start, end)
      this.#known[position] = { start, lengthBytes, text }
      return text
    }
    const isKnown =
      before.lengthBytes === lengthBytes && isSame(this.#bytes, before.start, start, lengthBytes)
    if (!isKnown) {
      before.start = start
      before.lengthBytes = lengthBytes
      before.text = textAt(this.#bytes, start, end)
    }
    return before.text
  }
}

/** A text at its last place in the batch. */
type KnownText = { start: number; lengthBytes: number; text: string }

function isSame(bytes: Buffer, start: number, other: number, lengthBytes: number): boolean {
  // Ids and positions differ at their ends.
  for (let index = lengthBytes - 1; index >= 0; index -= 1) {
    if (bytes[start + index] !== bytes[other + index]) return false
  }
  return true
}

/** What is no UTF-8 is replaced (U+FFFD). */
function textAt(bytes: Buffer, start: number, end: number): string {
  return isAscii(bytes, start, end)
    ? asciiText(bytes, start, end)
    : bytes.toString('utf8', start, end)
}

/** Of Node's `Buffer`, where only the types do not know of it; `toString` takes half as long again. */
type WithSlices = Buffer & { latin1Slice(start: number, end: number): string }

function asciiText(bytes: Buffer, start: number, end: number): string {
  return (bytes as WithSlices).latin1Slice(start, end)
}

/** ASCII is nearly all that there is, and quicker to copy than to decode. */
function isAscii(bytes: Uint8Array, start: number, end: number): boolean {
  let seen = 0
  for (let index = start; index < end; index += 1) seen |= bytes[index] as number
  return seen < 0x80
}
