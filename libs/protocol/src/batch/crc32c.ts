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
