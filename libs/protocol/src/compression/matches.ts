const HASH_BITS = 14
const HASH_FACTOR = 0x9e3779b1
/** A match is a copy of at least this many bytes. */
const MATCH_BYTES_MIN = 4
/** LZ4: the last match begins this far before the end of its block, and its last bytes are literal. */
const MATCH_START_MARGIN = 12
const LITERAL_END_BYTES = 5
/** After so many bytes without a match the search begins to take longer steps. */
const PATIENCE_BITS = 6

/** `bytes[literalStart … matchStart)` as they are, then `length` bytes from `distance` back. */
export type VisitMatch = (
  literalStart: number,
  matchStart: number,
  distance: number,
  length: number,
) => void

/**
 * Finds repetitions in blocks of up to 64 KiB, greedily and by a table of one candidate per hash, as
 * the fast modes of LZ4 and Snappy do. The ends of blocks are left alone as LZ4 demands.
 */
export class MatchFinder {
  readonly #lastSeen = new Int32Array(1 << HASH_BITS)

  /** Visits the matches of a block in order; returns where the bytes behind the last one begin. */
  visit(bytes: Uint8Array, start: number, end: number, visit: VisitMatch): number {
    const lastSeen = this.#lastSeen.fill(-1)
    const searchEnd = end - MATCH_START_MARGIN
    let literalStart = start
    let position = start
    while (position <= searchEnd) {
      const word = wordAt(bytes, position)
      const slot = Math.imul(word, HASH_FACTOR) >>> (32 - HASH_BITS)
      const candidate = lastSeen[slot] ?? -1
      lastSeen[slot] = position
      if (candidate >= start && wordAt(bytes, candidate) === word) {
        const length = matchLength(bytes, candidate, position, end - LITERAL_END_BYTES)
        visit(literalStart, position, position - candidate, length)
        position += length
        literalStart = position
      } else {
        position += 1 + ((position - literalStart) >> PATIENCE_BITS)
      }
    }
    return literalStart
  }
}

function matchLength(bytes: Uint8Array, candidate: number, position: number, end: number): number {
  let length = MATCH_BYTES_MIN
  while (position + length < end && bytes[candidate + length] === bytes[position + length]) {
    length += 1
  }
  return length
}

function wordAt(bytes: Uint8Array, at: number): number {
  return (
    (bytes[at] ?? 0) |
    ((bytes[at + 1] ?? 0) << 8) |
    ((bytes[at + 2] ?? 0) << 16) |
    ((bytes[at + 3] ?? 0) << 24)
  )
}
