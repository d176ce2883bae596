import { BATCH_HEADER_BYTES, crc32c, encodeBatch } from '@fairlead/protocol'
import { compress } from '@fairlead/runtime'
import type { SeededRandom } from '../support/seeded-random.ts'

const LENGTH_AT = 8
const ATTRIBUTES_AT = 21
const CRC_AT = 17
const CODEC_IDS = { gzip: 1, snappy: 2, lz4: 3, zstd: 4 } as const
const BOMB_BYTES = 48 * 1024 * 1024

/** Batches whose few compressed bytes become 48 MiB of zeros; made once, they cost seconds. */
export const bombs: readonly Uint8Array[] = makeBombs()

/** The records of a produce request: a batch that is sound, mutated, mislabelled, or a bomb. */
export function randomRecords(random: SeededRandom): Uint8Array {
  const { int, pick } = random
  if (int(400) === 0) return pick(bombs)
  const batch = soundBatch(random)
  switch (int(6)) {
    case 0:
      return batch
    case 1:
      return resealed(mutated(batch, random, ATTRIBUTES_AT))
    case 2:
      return resealed(mutated(batch, random, BATCH_HEADER_BYTES))
    case 3:
      batch[ATTRIBUTES_AT + 1] = int(8)
      return resealed(batch)
    case 4:
      return mutated(batch, random, 0)
    default:
      return Buffer.concat([batch, soundBatch(random)])
  }
}

function soundBatch({ int }: SeededRandom): Uint8Array<ArrayBuffer> {
  const records = Array.from({ length: 1 + int(4) }, (_, index) => ({
    key: int(3) === 0 ? null : Uint8Array.of(int(256), index),
    value: int(5) === 0 ? null : new Uint8Array(int(200)).fill(int(256)),
    headers: int(3) === 0 ? [{ key: 'h', value: null }] : [],
    timestampMs: 1_700_000_000_000 + int(1_000),
  }))
  const isIdempotent = int(4) === 0
  const producer = { producerId: int(3_000), producerEpoch: int(2), baseSequence: int(10) }
  return encodeBatch({ records, ...(isIdempotent && producer) }, crc32c)
}

function mutated(
  batch: Uint8Array<ArrayBuffer>,
  { int, pick }: SeededRandom,
  from: number,
): Uint8Array<ArrayBuffer> {
  for (let change = 0; change <= int(3); change += 1) {
    batch[from + int(batch.length - from)] = pick([0, 1, 0x7f, 0x80, 0xff, int(256)])
  }
  return batch
}

/** With a checksum that is true: what is wrong behind it must be found by other means. */
function resealed(batch: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  new DataView(batch.buffer).setUint32(CRC_AT, crc32c(batch.subarray(ATTRIBUTES_AT)))
  return batch
}

function makeBombs(): Uint8Array[] {
  const zeros = new Uint8Array(BOMB_BYTES)
  const header = encodeBatch(
    { records: [{ key: null, value: null, timestampMs: 1_700_000_000_000 }] },
    crc32c,
  ).subarray(0, BATCH_HEADER_BYTES)
  return Object.entries(CODEC_IDS).map(([codec, id]) => {
    const compressed = compress(codec as keyof typeof CODEC_IDS, zeros)
    const batch = new Uint8Array(BATCH_HEADER_BYTES + compressed.length)
    batch.set(header)
    batch.set(compressed, BATCH_HEADER_BYTES)
    new DataView(batch.buffer).setInt32(LENGTH_AT, batch.length - LENGTH_AT - 4)
    batch[ATTRIBUTES_AT + 1] = id
    return resealed(batch)
  })
}
