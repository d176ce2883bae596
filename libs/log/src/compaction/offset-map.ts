import { invariant } from '@fairlead/base'
import { KEY_HASH_WORDS, type KeyHash, hashKey } from './key-hash.ts'

const WORDS_PER_ENTRY = 6
export const BYTES_PER_ENTRY: number = WORDS_PER_ENTRY * 4
const OFFSET_LOW = 4
const OFFSET_HIGH = 5
const WORD_VALUES = 0x1_0000_0000

/**
 * Key to the offset of its latest record, for the part of a log that is to be compacted: a hash of
 * the key in a table of fixed size outside the heap, as Kafka's `SkimpyOffsetMap`. 24 bytes an entry;
 * nothing is ever removed.
 *
 * Invariants: offsets of a key only grow; `size` ≤ `capacity` < slots, so that every search ends.
 */
export class OffsetMap {
  readonly capacity: number
  readonly #words: Uint32Array
  readonly #slotCount: number
  readonly #hash: KeyHash = new Uint32Array(KEY_HASH_WORDS)
  #size = 0

  /**
   * @param options.bufferBytes most memory to be used (`log.cleaner.dedupe.buffer.size`).
   * @param options.loadFactor share of the slots that may be filled
   *   (`log.cleaner.io.buffer.load.factor`): more entries per pass, longer searches.
   * @param options.keysMax no more keys than this will come: the table is not larger than they need.
   */
  constructor(options: {
    readonly bufferBytes: number
    readonly loadFactor: number
    readonly keysMax: number
  }) {
    const slotsMax = Math.floor(options.bufferBytes / BYTES_PER_ENTRY)
    const slotsWanted = Math.ceil(options.keysMax / options.loadFactor) + 1
    this.#slotCount = Math.min(slotsMax, slotsWanted)
    this.capacity = Math.min(Math.floor(this.#slotCount * options.loadFactor), this.#slotCount - 1)
    invariant(this.capacity >= 1, 'the map has room for a key')
    this.#words = new Uint32Array(this.#slotCount * WORDS_PER_ENTRY)
  }

  get size(): number {
    return this.#size
  }

  /** Share of the slots that is filled, 0 to 1. */
  get utilization(): number {
    return this.#size / this.#slotCount
  }

  /** Notes a record of a key. False when the key is new and the map is full: then nothing changed. */
  put(bytes: Uint8Array, start: number, length: number, offset: number): boolean {
    hashKey(bytes, start, length, this.#hash)
    const at = this.#search()
    const stored = offset + 1
    if (this.#offsetAt(at) === -1) {
      if (this.#size === this.capacity) return false
      this.#words.set(this.#hash, at)
      this.#size += 1
    }
    invariant(this.#offsetAt(at) < offset, 'the offsets of a key grow')
    this.#words[at + OFFSET_LOW] = stored >>> 0
    this.#words[at + OFFSET_HIGH] = Math.floor(stored / WORD_VALUES)
    return true
  }

  /** Offset of the latest record of a key; -1 for a key that is not in the map. */
  get(bytes: Uint8Array, start: number, length: number): number {
    hashKey(bytes, start, length, this.#hash)
    return this.#offsetAt(this.#search())
  }

  /** Digest of all entries with an offset in the range; see `OffsetDigest`. */
  digest(range: { readonly fromOffset: number; readonly endOffset: number }): OffsetDigest {
    const digest = new OffsetDigest()
    for (let at = 0; at < this.#words.length; at += WORDS_PER_ENTRY) {
      const offset = this.#offsetAt(at)
      if (offset >= range.fromOffset && offset < range.endOffset) digest.add(offset)
    }
    return digest
  }

  /** Where the key of `#hash` stands, or the empty slot where it would. */
  #search(): number {
    const words = this.#words
    const hash = this.#hash
    const h0 = hash[0] ?? 0
    const h1 = hash[1]
    const h2 = hash[2]
    const h3 = hash[3]
    let at = (h0 % this.#slotCount) * WORDS_PER_ENTRY
    for (;;) {
      const isEmpty = words[at + OFFSET_LOW] === 0 && words[at + OFFSET_HIGH] === 0
      if (isEmpty) return at
      if (
        words[at] === h0 &&
        words[at + 1] === h1 &&
        words[at + 2] === h2 &&
        words[at + 3] === h3
      ) {
        return at
      }
      at += WORDS_PER_ENTRY
      if (at === words.length) at = 0
    }
  }

  /** One is added where offsets are stored, so that 0 is an empty slot. */
  #offsetAt(at: number): number {
    const low = this.#words[at + OFFSET_LOW] ?? 0
    const high = this.#words[at + OFFSET_HIGH] ?? 0
    return high * WORD_VALUES + low - 1
  }
}

/**
 * A set of offsets as two numbers, whatever their order: how many, and the sum of a mix of each. Two
 * sets that differ in one offset have different digests; in several, with a chance of 2^-32 not to.
 */
export class OffsetDigest {
  count = 0
  sum = 0

  add(offset: number): void {
    const low = offset >>> 0
    const high = Math.floor(offset / WORD_VALUES)
    const mixed = Math.imul((low ^ Math.imul(high + 1, 0x9e3779b1)) | 0, 0x85ebca6b)
    this.sum = (this.sum + (mixed ^ (mixed >>> 15))) | 0
    this.count += 1
  }

  addAll(other: OffsetDigest): void {
    this.sum = (this.sum + other.sum) | 0
    this.count += other.count
  }

  equals(other: OffsetDigest): boolean {
    return this.count === other.count && this.sum === other.sum
  }
}
