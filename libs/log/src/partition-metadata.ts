import { type Disk, isShortage } from './disk.ts'
import { type DiskTask, replaceFile } from './disk-task.ts'

/** In Kafka's format: which topic the records of a directory are of, since its name is used again. */
export const PARTITION_METADATA_FILE = 'partition.metadata'

const TOPIC_ID = /^version: 0\ntopic_id: (?<topicId>[\w-]{22})\n?$/

/** A directory without the file, for lack of room, is taken for what its name says. */
export function* writePartitionMetadata(
  { disk, directory }: { readonly disk: Disk; readonly directory: string },
  topicId: string,
): DiskTask<void> {
  const bytes = new TextEncoder().encode(`version: 0\ntopic_id: ${topicId}\n`)
  try {
    yield* replaceFile(disk, directory, PARTITION_METADATA_FILE, bytes)
  } catch (error) {
    if (!isShortage(error)) throw error
  }
}

/** The topic id in the text of a `partition.metadata`; undefined in what is none, or torn. */
export function decodePartitionMetadata(text: string): string | undefined {
  return TOPIC_ID.exec(text)?.groups?.['topicId']
}
