import { crc32c, encodeBatch } from '@fairlead/protocol'

const CRC_POSITION = 17

/** A batch of values a second apart. */
export function batchOf(
  values: readonly string[],
  firstTimestampMs = 1_700_000_500_000,
): Uint8Array {
  const records = values.map((value, index) => ({
    key: null,
    value: new TextEncoder().encode(value),
    timestampMs: firstTimestampMs + index * 1_000,
  }))
  return encodeBatch({ records }, crc32c)
}

/** The same batch with a checksum that does not fit. */
export function corrupted(batch: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(batch)
  bytes[CRC_POSITION] = (bytes[CRC_POSITION] ?? 0) ^ 0xff
  return bytes
}
