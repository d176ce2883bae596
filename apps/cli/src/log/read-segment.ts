import { open } from 'node:fs/promises'
import { DecodeError } from '@fairlead/base'
import { BATCH_HEADER_BYTES, type BatchHeader, batchCrc, readBatchHeader } from '@fairlead/protocol'
import { nativeCrc32c } from '@fairlead/runtime'

/** A batch as it stands in a segment. */
export type StoredBatch = {
  readonly header: BatchHeader
  /** In the file. */
  readonly position: number
  readonly bytes: Uint8Array
  /** The checksum matches. */
  readonly isValid: boolean
}

/** Bytes that are no batch. Where the next one starts is unknown. */
export type UnreadableRest = { readonly position: number; readonly problem: string }

const LENGTH_POSITION = 8
const LENGTH_PREFIX_BYTES = 12

/**
 * The batches of a segment in order, a batch with a wrong checksum included; at bytes that are no
 * batch it ends with what is wrong. Reads one batch at a time, and never more than the file holds.
 */
export async function* readSegment(
  path: string,
): AsyncGenerator<StoredBatch | UnreadableRest, void, void> {
  const file = await open(path)
  try {
    const { size } = await file.stat()
    for (let position = 0; position < size; ) {
      const head = new Uint8Array(Math.min(BATCH_HEADER_BYTES, size - position))
      await file.read(head, 0, head.length, position)
      const sizeBytes = claimedBytes(head)
      if (sizeBytes < BATCH_HEADER_BYTES || sizeBytes > size - position) {
        const problem = `${size - position} bytes that are no whole batch`
        yield { position, problem }
        return
      }
      const bytes = new Uint8Array(sizeBytes)
      await file.read(bytes, 0, sizeBytes, position)
      const batch = storedBatch(bytes, position)
      yield batch
      if ('problem' in batch) return
      position += sizeBytes
    }
  } finally {
    await file.close()
  }
}

function claimedBytes(head: Uint8Array): number {
  if (head.length < LENGTH_PREFIX_BYTES) return 0
  const view = new DataView(head.buffer, head.byteOffset)
  return LENGTH_PREFIX_BYTES + view.getInt32(LENGTH_POSITION)
}

function storedBatch(bytes: Uint8Array, position: number): StoredBatch | UnreadableRest {
  try {
    const header = readBatchHeader(bytes, 0)
    const isValid = batchCrc(bytes, 0, header, nativeCrc32c) === header.crc
    return { header, position, bytes, isValid }
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error
    return { position, problem: error.message }
  }
}
