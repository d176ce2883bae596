import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'

/** Bytes of the segments of a partition, each of which a compaction may take away meanwhile. */
export function segmentBytes(logDirectory: string, topic: string, partition: number): number {
  const directory = join(logDirectory, `${topic}-${partition}`)
  return readdirSync(directory)
    .filter((name) => name.endsWith('.log'))
    .reduce((sum, name) => sum + fileBytes(join(directory, name)), 0)
}

/** One that is gone since it was listed has no size: what replaces it is not known. */
function fileBytes(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? Number.POSITIVE_INFINITY
}
