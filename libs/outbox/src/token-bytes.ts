import { type Lsn, lsn } from '@fairlead/base'
import { type KeyCounts, WHOLE_HASHES } from './key-counts.ts'

const UTF8 = new TextEncoder()
const STRICT_UTF8 = new TextDecoder('utf-8', { fatal: true })
/** Stands for {@link WHOLE_HASHES}, in one byte in place of five. */
const WHOLE_HASHES_MARK = 0

const NOTHING_KNOWN: KeyCounts = { modulus: WHOLE_HASHES, counts: new Map() }

type EncodedPosition = {
  readonly lsn: Lsn
  readonly transactionId: string
  readonly written: ReadonlyMap<string, KeyCounts | null>
}

/**
 * The bytes of a token: LSN and transaction id, then each topic up to the end of them. All numbers are varints,
 * seven bits a byte, the lowest first.
 *
 *     topic:        length of its name, name in UTF-8, modulus
 *     modulus 0:    number of keys, 0 where they are not known; then of each hash in their order the distance to
 *                   the one before, and its events
 *     others:       the events of each residue from 0 on
 */
export function encodePosition({ lsn: at, transactionId, written }: EncodedPosition): Buffer {
  const bytes: number[] = []
  writeVarint(bytes, at)
  writeVarint(bytes, BigInt(transactionId))
  for (const [topic, known] of written) {
    const { modulus, counts } = known ?? NOTHING_KNOWN
    const name = UTF8.encode(topic)
    writeNumber(bytes, name.length)
    bytes.push(...name)
    if (modulus === WHOLE_HASHES) {
      writeNumber(bytes, WHOLE_HASHES_MARK)
      writeWholeHashes(bytes, counts)
    } else {
      writeNumber(bytes, modulus)
      for (let residue = 0; residue < modulus; residue += 1) {
        writeNumber(bytes, counts.get(residue) ?? 0)
      }
    }
  }
  return Buffer.from(bytes)
}

function writeWholeHashes(bytes: number[], counts: KeyCounts['counts']): void {
  writeNumber(bytes, counts.size)
  let before = 0
  for (const [hash, count] of [...counts].sort(([left], [right]) => left - right)) {
    writeNumber(bytes, hash - before)
    writeNumber(bytes, count)
    before = hash
  }
}

function writeNumber(bytes: number[], value: number): void {
  writeVarint(bytes, BigInt(value))
}

function writeVarint(bytes: number[], value: bigint): void {
  let left = value
  for (; left > 0x7fn; left >>= 7n) bytes.push(Number(left & 0x7fn) | 0x80)
  bytes.push(Number(left))
}

/** @throws what is no position. */
export function decodePosition(bytes: Uint8Array): EncodedPosition {
  const reader = new Reader(bytes)
  const at = lsn(reader.varint())
  const transactionId = reader.varint().toString()
  const written = new Map<string, KeyCounts | null>()
  while (!reader.isAtEnd) written.set(reader.text(), readCounts(reader))
  return { lsn: at, transactionId, written }
}

function readCounts(reader: Reader): KeyCounts | null {
  const counts = new Map<number, number>()
  const mark = reader.number()
  if (mark !== WHOLE_HASHES_MARK) {
    for (let residue = 0; residue < mark; residue += 1) {
      const count = reader.number()
      if (count > 0) counts.set(residue, count)
    }
    return { modulus: mark, counts }
  }
  let hash = 0
  for (let left = reader.number(); left > 0; left -= 1) {
    hash += reader.number()
    if (hash >= WHOLE_HASHES) throw new RangeError('no hash of a key')
    counts.set(hash, reader.number())
  }
  return counts.size === 0 ? null : { modulus: WHOLE_HASHES, counts }
}

class Reader {
  readonly #bytes: Uint8Array
  #position = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  get isAtEnd(): boolean {
    return this.#position === this.#bytes.length
  }

  varint(): bigint {
    let value = 0n
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = this.#bytes[this.#position]
      if (byte === undefined) throw new RangeError('the token ends too early')
      this.#position += 1
      value |= BigInt(byte & 0x7f) << shift
      if (byte < 0x80) return BigInt.asUintN(64, value)
    }
    throw new RangeError('a number is too long')
  }

  number(): number {
    const value = Number(this.varint())
    if (!Number.isSafeInteger(value)) throw new RangeError('a number is too large')
    return value
  }

  text(): string {
    const length = this.number()
    const end = this.#position + length
    if (end > this.#bytes.length) throw new RangeError('the token ends too early')
    const text = STRICT_UTF8.decode(this.#bytes.subarray(this.#position, end))
    this.#position = end
    return text
  }
}
