import type { CleanerCheckpoint, SegmentRange } from '../checkpoints.ts'
import { markDeleted } from '../deleted-files.ts'
import { type Disk, corruptLog } from '../disk.ts'
import { type DiskTask, perform } from '../disk-task.ts'
import { segmentBaseOffset, segmentFiles, segmentPath } from '../segment.ts'

/**
 * A compacted segment takes the place of the segments that it was made from, as in Kafka's
 * `LocalLog.replaceSegments` and `LogLoader`:
 *
 *   .cleaned   being written; removed after a crash
 *   .swap      whole and durable: from the rename of `.log.swap` on, the old segments are obsolete
 *   (none)     the old segments are marked as deleted, the new one has its name
 *
 * Which segments it replaces is in the cleaner checkpoint before the rename: the batches at their end
 * may all be gone, so that the file does not say it. Each step is durable before the next begins.
 */
export const CLEANED_SUFFIX = '.cleaned'
export const SWAP_SUFFIX = '.swap'
const INDEX = '.idx'
const LOG = '.log'

type Place = { readonly disk: Disk; readonly directory: string }

/**
 * Makes the compacted segment of `range` the one that counts; returns the files of those that it
 * replaces, which are marked as deleted. The checkpoint names it already.
 * Nothing has changed when it fails before `onBegun`; after that only opening the log ends the swap.
 */
export function* swapIn(
  place: Place,
  range: SegmentRange,
  onBegun: () => void,
): DiskTask<readonly string[]> {
  const { baseOffset } = range
  yield* renameSynced(place, baseOffset, INDEX + CLEANED_SUFFIX, INDEX + SWAP_SUFFIX)
  yield* rename(place, baseOffset, LOG + CLEANED_SUFFIX, LOG + SWAP_SUFFIX)
  onBegun()
  yield* syncDirectory(place)
  return yield* completeSwap(place, range)
}

/** Ends a swap that a crash interrupted, and removes what one left that had not begun. */
export function* recoverSwap(place: Place, cleaner: CleanerCheckpoint): DiskTask<void> {
  const { disk, directory } = place
  const swapped = (yield* namesIn(place)).filter((name) => name.endsWith(LOG + SWAP_SUFFIX))
  for (const name of swapped) {
    const { swap } = cleaner
    if (swap === undefined || swapFile(swap.baseOffset) !== name) {
      throw corruptLog(`${directory}: the cleaner checkpoint does not know of ${name}`)
    }
    yield* completeSwap(place, swap)
  }
  const leftovers = (yield* namesIn(place)).filter(
    (name) => name.endsWith(CLEANED_SUFFIX) || name.endsWith(SWAP_SUFFIX),
  )
  for (const name of leftovers) {
    yield* perform<void>((done) => disk.removeFile(`${directory}/${name}`, done))
  }
}

function* completeSwap(place: Place, range: SegmentRange): DiskTask<readonly string[]> {
  const { directory } = place
  const names = yield* namesIn(place)
  const bases = names.flatMap((name) => segmentBaseOffset(name.replace(/\.idx$/, LOG)) ?? [])
  const replaced = new Set(
    bases.filter((base) => base >= range.baseOffset && base < range.endOffset),
  )
  const files = [...replaced].flatMap((base) => segmentFiles(base, names))
  const deleted = yield* markDeleted(place, files)
  yield* syncDirectory(place)
  for (const suffix of [INDEX, LOG]) {
    const path = segmentPath(directory, range.baseOffset, suffix + SWAP_SUFFIX)
    if (!names.includes(path.slice(directory.length + 1))) continue
    yield* renameSynced(place, range.baseOffset, suffix + SWAP_SUFFIX, suffix)
  }
  return deleted
}

function* renameSynced(place: Place, baseOffset: number, from: string, to: string): DiskTask<void> {
  yield* rename(place, baseOffset, from, to)
  yield* syncDirectory(place)
}

function* rename(
  { disk, directory }: Place,
  baseOffset: number,
  from: string,
  to: string,
): DiskTask<void> {
  const path = (suffix: string) => segmentPath(directory, baseOffset, suffix)
  yield* perform<void>((done) => disk.rename(path(from), path(to), done))
}

function* syncDirectory({ disk, directory }: Place): DiskTask<void> {
  yield* perform<void>((done) => disk.syncDirectory(directory, done))
}

function* namesIn({ disk, directory }: Place): DiskTask<readonly string[]> {
  return yield* perform<readonly string[]>((done) => disk.list(directory, done))
}

function swapFile(baseOffset: number): string {
  return segmentPath('', baseOffset, LOG + SWAP_SUFFIX).slice(1)
}
