import { isUtf8 } from 'node:buffer'
import type { ByteReader } from './byte-reader.ts'
import type { IncomingRecord, RecordHeader } from './records.ts'

/** A record, and where its parts lie in the bytes of its batch; a length of -1 stands for null. */
export type RecordPlaces = {
  readonly topic: string
  readonly partition: number
  readonly offset: number
  readonly timestampMs: number
  readonly keyEnd: number
  readonly keyLengthBytes: number
  readonly valueEnd: number
  readonly valueLengthBytes: number
}

/**
 * A record as places in the bytes of its batch, which were checked when the batch was decoded. Views are
 * made when somebody asks, anew each time: most readers want few of them, and a view takes more memory
 * than what it shows.
 */
export class FetchedRecord implements IncomingRecord {
  readonly topic: string
  readonly partition: number
  readonly offset: number
  readonly timestampMs: number
  readonly #batch: BatchBytes
  readonly #keyEnd: number
  readonly #keyLengthBytes: number
  readonly #valueEnd: number
  readonly #valueLengthBytes: number

  constructor(batch: BatchBytes, places: RecordPlaces) {
    this.topic = places.topic
    this.partition = places.partition
    this.offset = places.offset
    this.timestampMs = places.timestampMs
    this.#batch = batch
    this.#keyEnd = places.keyEnd
    this.#keyLengthBytes = places.keyLengthBytes
    this.#valueEnd = places.valueEnd
    this.#valueLengthBytes = places.valueLengthBytes
  }

  get key(): Uint8Array | null {
    return this.#batch.view(this.#keyEnd, this.#keyLengthBytes)
  }

  get value(): Uint8Array | null {
    return this.#batch.view(this.#valueEnd, this.#valueLengthBytes)
  }

  get headers(): readonly RecordHeader[] {
    return this.#batch.headers(this.#valueEnd)
  }

  textKey(): string | null {
    const { key } = this
    return key === null || !isUtf8(key)
      ? null
      : this.#batch.text(this.#keyEnd, this.#keyLengthBytes)
  }

  textHeaders(): Readonly<Record<string, string>> {
    return this.#batch.textHeaders(this.#valueEnd)
  }
}

/**
 * The bytes of one batch, decompressed. Records of a batch mostly have the same headers at the same
 * places, and many of the same values: a text that is the one before is not decoded again.
 */
export class BatchBytes {
  readonly #reader: ByteReader
  readonly #names: KnownText[] = []
  readonly #values: KnownText[] = []

  constructor(reader: ByteReader) {
    this.#reader = reader
  }

  view(end: number, lengthBytes: number): Uint8Array | null {
    return lengthBytes < 0 ? null : this.#reader.bytes.subarray(end - lengthBytes, end)
  }

  text(end: number, lengthBytes: number): string {
    return this.#reader.bytes.toString('utf8', end - lengthBytes, end)
  }

  headers(position: number): RecordHeader[] {
    const headers: RecordHeader[] = []
    this.#each(position, (name, start, lengthBytes) => {
      headers.push([name, this.view(start + lengthBytes, lengthBytes)])
    })
    return headers
  }

  /** @see IncomingRecord.textHeaders */
  textHeaders(position: number): Record<string, string> {
    const headers: Record<string, string> = {}
    this.#each(position, (name, start, lengthBytes, index) => {
      const text = lengthBytes < 0 ? '' : this.#text(this.#values, index, start, lengthBytes)
      if (name === '__proto__') {
        Object.defineProperty(headers, name, { value: text, enumerable: true, configurable: true })
      } else {
        headers[name] = text
      }
    })
    return headers
  }

  #each(
    position: number,
    onHeader: (name: string, start: number, lengthBytes: number, index: number) => void,
  ): void {
    const reader = this.#reader
    reader.seek(position)
    const count = reader.varint()
    for (let index = 0; index < count; index += 1) {
      const nameLengthBytes = reader.skipVarintBytes()
      const nameStart = reader.position - nameLengthBytes
      const lengthBytes = reader.skipVarintBytes()
      const start = reader.position - Math.max(0, lengthBytes)
      onHeader(
        this.#text(this.#names, index, nameStart, nameLengthBytes),
        start,
        lengthBytes,
        index,
      )
    }
  }

  #text(known: KnownText[], index: number, start: number, lengthBytes: number): string {
    const before = known[index]
    if (before !== undefined && this.#isSame(before, start, lengthBytes)) return before.text
    const text = this.text(start + lengthBytes, lengthBytes)
    if (before === undefined) {
      known[index] = { start, lengthBytes, text }
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
