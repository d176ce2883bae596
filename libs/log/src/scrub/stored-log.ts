import type { Crc32c } from '@fairlead/protocol'
import { CLEANER_FILE, decodeCleaner, readCheckpoint } from '../checkpoints.ts'
import type { Disk } from '../disk.ts'
import { type DiskTask, perform } from '../disk-task.ts'
import { readStoredIndex } from '../open-segment.ts'
import { segmentBaseOffset, segmentPath } from '../segment.ts'
import type { ScrubJob } from './scrub-log.ts'

/** What the files of a log say, without opening it. */
export type StoredLog = {
  /** Everything that is known to have been durable. */
  readonly job: ScrubJob
  readonly segmentCount: number
  /**
   * Bytes behind it: of a write that was torn or never acknowledged, or of an index that was lost. The
   * next start of the broker keeps what is whole of them.
   */
  readonly tailBytes: number
}

/** For tools, while no broker has the log open; reads no batch. */
export function* readStoredLog(options: {
  readonly disk: Disk
  readonly directory: string
  readonly crc32c: Crc32c
  readonly bufferBytes: number
}): DiskTask<StoredLog> {
  const { disk, directory, crc32c, bufferBytes } = options
  const names = yield* perform<readonly string[]>((done) => disk.list(directory, done))
  const bases = names.flatMap((name) => segmentBaseOffset(name) ?? [])
  const checkpoint = yield* readCheckpoint(disk, `${directory}/${CLEANER_FILE}`, crc32c)
  const { compactedTo } = decodeCleaner(checkpoint)
  const segments: ScrubJob['segments'][number][] = []
  let tailBytes = 0
  for (const [index, baseOffset] of bases.entries()) {
    const path = segmentPath(directory, baseOffset, '.log')
    const fileBytes = yield* perform<number>((done) => disk.fileSizeBytes(path, done))
    const nextBase = bases[index + 1]
    if (nextBase !== undefined) {
      const isCompacted = baseOffset < compactedTo
      segments.push({ baseOffset, endOffset: nextBase, sizeBytes: fileBytes, isCompacted })
      continue
    }
    const claim = (yield* readStoredIndex({ disk, directory, crc32c }, baseOffset))?.claim
    const sizeBytes = claim?.endPosition ?? 0
    tailBytes = Math.max(0, fileBytes - sizeBytes)
    const endOffset = claim?.nextOffset ?? baseOffset
    segments.push({ baseOffset, endOffset, sizeBytes, isCompacted: false })
  }
  const durable = segments.filter(({ sizeBytes }) => sizeBytes > 0)
  return {
    job: { directory, segments: durable, bufferBytes },
    segmentCount: bases.length,
    tailBytes,
  }
}
