import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { KafkaError } from '@fairlead/kafka'

const PARTITION_NAME = /-\d+$/
const SEGMENT_NAME = /^\d{20}\.log$/

/** Partitions as they are, and folders of `log.dirs` as the partitions in them, by name. */
export async function partitionFolders(paths: readonly string[]): Promise<readonly string[]> {
  const lists = await Promise.all(
    paths.map(async (path) => {
      if (await holdsSegments(path)) return [path]
      const names = (await readdir(path)).filter((name) => PARTITION_NAME.test(name))
      const entries = names.toSorted().map((name) => join(path, name))
      const isPartition = await Promise.all(entries.map(holdsSegments))
      return entries.filter((_, index) => isPartition[index])
    }),
  )
  const folders = lists.flat()
  if (folders.length > 0) return folders
  throw new KafkaError(`no partition is in ${paths.join(', ')}`, {
    code: 'RESOURCE_NOT_FOUND',
    retryable: false,
  })
}

/** The segments of a partition, in the order of their offsets. */
export async function segmentsOf(folder: string): Promise<readonly string[]> {
  return (await readdir(folder)).filter((name) => SEGMENT_NAME.test(name)).toSorted()
}

async function holdsSegments(path: string): Promise<boolean> {
  return (await stat(path)).isDirectory() && (await segmentsOf(path)).length > 0
}
