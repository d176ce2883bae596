import { decodeRecords, splitBatches } from '@fairlead/protocol'
import { OPENED_CODECS, decompress } from '../partitions/decompress.ts'

/**
 * Indexes of the records that have no key, counted over the whole request. Batches of
 * snappy and lz4 are not opened: what they hold is the producer's choice.
 *
 * @throws {DecodeError} when records are malformed, or too large to be opened.
 */
export function keylessRecords(records: Uint8Array): number[] {
  const indexes: number[] = []
  let index = 0
  for (const batch of splitBatches(records)) {
    if (batch.compression === 'none' || OPENED_CODECS.includes(batch.compression)) {
      for (const { key } of decodeRecords(records, batch.position, batch, decompress)) {
        if (key === null) indexes.push(index)
        index += 1
      }
    } else {
      index += batch.recordCount
    }
  }
  return indexes
}
