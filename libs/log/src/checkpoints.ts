import type { Crc32c } from '@fairlead/protocol'
import type { Disk } from './disk.ts'
import { type DiskTask, readFileIfExists, replaceFile } from './disk-task.ts'

/**
 * Small files of a log that are replaced as a whole: a version line, the CRC32C of what follows in
 * hexadecimal, then one line per entry with decimal numbers between spaces.
 */
const VERSION = '0'

export const LOG_START_FILE = 'log-start-offset-checkpoint'
export const CLEANER_FILE = 'cleaner-offset-checkpoint'

/** What compaction did to a log, in `cleaner-offset-checkpoint`; Kafka keeps the first number. */
export type CleanerCheckpoint = {
  /** Everything below was compacted at least once. */
  readonly firstDirtyOffset: number
  /** In segments that begin below, batches may be missing. Written before they are. */
  readonly compactedTo: number
  /** The compacted segment that took, or was about to take, the place of others. */
  readonly swap: SegmentRange | undefined
}

/** Whole segments: from the base offset of the first to that of the one behind the last. */
export type SegmentRange = { readonly baseOffset: number; readonly endOffset: number }

/** The content of a checkpoint, or why there is none. */
export type Checkpoint = readonly (readonly number[])[] | 'missing' | 'damaged'

export function* writeCheckpoint(
  target: { readonly disk: Disk; readonly directory: string; readonly name: string },
  rows: readonly (readonly number[])[],
  crc32c: Crc32c,
): DiskTask<void> {
  const body = new TextEncoder().encode(rows.map((row) => `${row.join(' ')}\n`).join(''))
  const head = new TextEncoder().encode(`${VERSION}\n${hexadecimal(crc32c(body))}\n`)
  const bytes = new Uint8Array(head.length + body.length)
  bytes.set(head)
  bytes.set(body, head.length)
  yield* replaceFile(target.disk, target.directory, target.name, bytes)
}

export function* readCheckpoint(disk: Disk, path: string, crc32c: Crc32c): DiskTask<Checkpoint> {
  const bytes = yield* readFileIfExists(disk, path)
  return bytes === undefined ? 'missing' : decodeCheckpoint(bytes, crc32c)
}

const HEAD_LENGTH = `${VERSION}\n00000000\n`.length

function decodeCheckpoint(bytes: Uint8Array, crc32c: Crc32c): Checkpoint {
  const body = bytes.subarray(HEAD_LENGTH)
  const head = new TextDecoder().decode(bytes.subarray(0, HEAD_LENGTH))
  if (head !== `${VERSION}\n${hexadecimal(crc32c(body))}\n`) return 'damaged'
  const lines = new TextDecoder().decode(body).split('\n').slice(0, -1)
  return lines.map((line) => line.split(' ').map(Number))
}

function hexadecimal(crc: number): string {
  return (crc >>> 0).toString(16).padStart(8, '0')
}

/**
 * Without it nothing was compacted. A damaged one is no loss: every closed segment may then have been,
 * and all of them are compacted again.
 */
export function decodeCleaner(checkpoint: Checkpoint): CleanerCheckpoint {
  if (checkpoint === 'missing') return { firstDirtyOffset: 0, compactedTo: 0, swap: undefined }
  const [offsets, swap] = checkpoint === 'damaged' ? [] : checkpoint
  const [baseOffset, endOffset] = swap ?? []
  const [firstDirtyOffset = 0, compactedTo = Number.POSITIVE_INFINITY] = offsets ?? []
  return {
    firstDirtyOffset,
    compactedTo,
    swap:
      baseOffset === undefined || endOffset === undefined ? undefined : { baseOffset, endOffset },
  }
}
