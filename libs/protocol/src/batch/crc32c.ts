/** Computes the CRC-32C of bytes, as an unsigned 32-bit number. */
export type Crc32c = (bytes: Uint8Array) => number

/** Castagnoli's polynomial, reversed. */
const POLYNOMIAL = 0x82f63b78
const SLICES = 8

/** `TABLES[k][b]` advances the CRC over byte `b` followed by `k` zero bytes. */
const TABLES: readonly Uint32Array[] = makeTables()

/**
 * CRC-32C in plain JavaScript, eight bytes a step (slicing-by-8): 0.4 to 0.9 GB/s where a native
 * one does three. The one to use when no native one can be loaded.
 */
export const crc32c: Crc32c = (bytes) => {
  const [t0, t1, t2, t3, t4, t5, t6, t7] = TABLES as readonly [
    Uint32Array,
    Uint32Array,
    Uint32Array,
    Uint32Array,
    Uint32Array,
    Uint32Array,
    Uint32Array,
    Uint32Array,
  ]
  let crc = 0xffff_ffff
  let position = 0
  for (const last = bytes.length - SLICES; position <= last; position += SLICES) {
    const low =
      crc ^
      (bytes[position]! |
        (bytes[position + 1]! << 8) |
        (bytes[position + 2]! << 16) |
        (bytes[position + 3]! << 24))
    crc =
      t7[low & 0xff]! ^
      t6[(low >>> 8) & 0xff]! ^
      t5[(low >>> 16) & 0xff]! ^
      t4[low >>> 24]! ^
      t3[bytes[position + 4]!]! ^
      t2[bytes[position + 5]!]! ^
      t1[bytes[position + 6]!]! ^
      t0[bytes[position + 7]!]!
  }
  for (; position < bytes.length; position += 1) {
    crc = (crc >>> 8) ^ t0[(crc ^ bytes[position]!) & 0xff]!
  }
  return (crc ^ 0xffff_ffff) >>> 0
}

/**
 * The CRC of two strings of bytes, one behind the other, from theirs and the length of the second:
 * what a checksum over many batches costs when each of them has its own.
 */
export function combineCrc32c(first: number, second: number, secondBytes: number): number {
  let advanced = first
  for (let left = secondBytes, power = 0; left > 0; left = Math.floor(left / 2), power += 1) {
    if (left % 2 === 1) advanced = advance(advanced, zeroTable(power))
  }
  return (advanced ^ second) >>> 0
}

/** `[power][256 * k + b]` advances byte k of a CRC over 2^power zero bytes; made when first used. */
const ZERO_TABLES: (Uint32Array | undefined)[] = []
const BYTE_VALUES = 256

function advance(crc: number, table: Uint32Array): number {
  return (
    table[crc & 0xff]! ^
    table[BYTE_VALUES + ((crc >>> 8) & 0xff)]! ^
    table[2 * BYTE_VALUES + ((crc >>> 16) & 0xff)]! ^
    table[3 * BYTE_VALUES + (crc >>> 24)]!
  )
}

function zeroTable(power: number): Uint32Array {
  return (ZERO_TABLES[power] ??= makeZeroTable(power))
}

/** Over twice as many bytes as the table before: that one, twice. */
function makeZeroTable(power: number): Uint32Array {
  const [first] = TABLES
  const half = power === 0 ? undefined : zeroTable(power - 1)
  return Uint32Array.from({ length: 4 * BYTE_VALUES }, (_, index) => {
    const crc = (index % BYTE_VALUES) << (8 * Math.floor(index / BYTE_VALUES))
    if (half === undefined) return (crc >>> 8) ^ first![crc & 0xff]!
    return advance(advance(crc, half), half)
  })
}

function makeTables(): readonly Uint32Array[] {
  const first = Uint32Array.from({ length: 256 }, (_, byte) => {
    let crc = byte
    for (let bit = 0; bit < 8; bit += 1) crc = crc & 1 ? (crc >>> 1) ^ POLYNOMIAL : crc >>> 1
    return crc >>> 0
  })
  const tables = [first]
  for (let slice = 1; slice < SLICES; slice += 1) {
    const previous = tables[slice - 1]!
    tables.push(previous.map((crc) => (crc >>> 8) ^ first[crc & 0xff]!))
  }
  return tables
}
