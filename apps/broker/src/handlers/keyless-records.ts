import { decodeRecords, splitBatches } from '@fairlead/protocol'

/**
 * Indexes of the records that have no key, counted over the whole request. Compressed batches are
 * not opened: what they hold is the producer's choice until the broker can decompress every codec.
 */
export function keylessRecords(records: Uint8Array): number[] {
  const indexes: number[] = []
  let index = 0
  for (const batch of splitBatches(records)) {
    if (batch.compression === 'none') {
      for (const { key } of decodeRecords(records, batch.position, batch)) {
        if (key === null) indexes.push(index)
        index += 1
      }
    } else {
      index += batch.recordCount
    }
  }
  return indexes
}
