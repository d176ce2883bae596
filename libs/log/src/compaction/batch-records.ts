import { DecodeError } from '@fairlead/base'
import {
  type BatchHeader,
  type Compress,
  type Decompress,
  RecordCursor,
  decompressedRecords,
} from '@fairlead/protocol'
import type { Marker } from './cleaned-transactions.ts'

/** Opens and closes compressed batches. Both bound what they make. */
export type BatchCodecs = { readonly decompress: Decompress; readonly compress: Compress }

const MARKERS: Readonly<Record<number, Marker>> = { 0: 'abort', 1: 'commit' }
/** Of a control record's key: version int16, type int16. */
const MARKER_KEY_BYTES = 4

/** The records of a batch; undefined when they are compressed in a way that cannot be undone. */
export function openRecords(
  batch: Uint8Array,
  header: BatchHeader,
  codecs: BatchCodecs,
): Uint8Array | undefined {
  try {
    return decompressedRecords(batch, 0, header, codecs.decompress)
  } catch (error) {
    if (error instanceof DecodeError) return undefined
    throw error
  }
}

/** Shows the records one by one until `visit` returns false. False when one of them is malformed. */
export function visitRecords(
  records: Uint8Array,
  header: BatchHeader,
  visit: (record: RecordCursor, offset: number) => boolean,
): boolean {
  try {
    const record = new RecordCursor(records, header)
    while (record.next()) {
      if (!visit(record, header.baseOffset + record.offsetDelta)) break
    }
    return true
  } catch (error) {
    if (error instanceof DecodeError) return false
    throw error
  }
}

/** What a control batch says; undefined for one that was emptied. */
export function markerOf(records: Uint8Array | undefined, header: BatchHeader): Marker | undefined {
  if (header.recordCount === 0) return undefined
  let marker: Marker = 'other'
  visitRecords(records ?? new Uint8Array(), header, ({ keyBytes, key }) => {
    if (keyBytes >= MARKER_KEY_BYTES) {
      marker = MARKERS[new DataView(key.buffer, key.byteOffset).getInt16(2)] ?? 'other'
    }
    return false
  })
  return marker
}
