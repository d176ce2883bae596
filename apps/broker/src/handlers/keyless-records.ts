import { decodeRecords, splitBatches } from '@fairlead/protocol'
import { decompress } from '../partitions/decompress.ts'

/**
 * Indexes of the records that have no key, counted over the whole request.
 *
 * @throws {DecodeError} when records are malformed, or too large to be opened.
 */
export function keylessRecords(records: Uint8Array): number[] {
  const indexes: number[] = []
  let index = 0
  for (const batch of splitBatches(records)) {
    for (const { key } of decodeRecords(records, batch.position, batch, decompress)) {
      if (key === null) indexes.push(index)
      index += 1
    }
  }
  return indexes
}
