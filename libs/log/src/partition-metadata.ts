import { type Disk, isShortage } from './disk.ts'
import { type DiskTask, TEMPORARY_SUFFIX, perform, writeNewFile } from './disk-task.ts'

/** In Kafka's format: which topic the records of a directory are of, since its name is used again. */
export const PARTITION_METADATA_FILE = 'partition.metadata'

const TOPIC_ID = /^version: 0\ntopic_id: (?<topicId>[\w-]{22})\n?$/

/**
 * A directory without the file, for lack of room, is taken for what its name says. The name is not synced:
 * with that of the first segment it is, and one that is lost is written again when the log is opened.
 */
export function* writePartitionMetadata(
  { disk, directory }: { readonly disk: Disk; readonly directory: string },
  topicId: string,
): DiskTask<void> {
  const bytes = new TextEncoder().encode(`version: 0\ntopic_id: ${topicId}\n`)
  const path = `${directory}/${PARTITION_METADATA_FILE}`
  const temporary = `${path}${TEMPORARY_SUFFIX}`
  try {
    yield* writeNewFile(disk, temporary, bytes)
    yield* perform<void>((done) => disk.rename(temporary, path, done))
  } catch (error) {
    if (!isShortage(error)) throw error
  }
}

/** The topic id in the text of a `partition.metadata`; undefined in what is none, or torn. */
export function decodePartitionMetadata(text: string): string | undefined {
  return TOPIC_ID.exec(text)?.groups?.['topicId']
}
