import { readFileSync, renameSync } from 'node:fs'
import { join } from 'node:path'
import { PARTITION_METADATA_FILE, decodePartitionMetadata } from '@fairlead/log'

const STRAY_SUFFIX = '-stray'

/** Of which topic the records in the directory of a partition are; undefined when it does not say. */
export function topicIdIn(directory: string): string | undefined {
  try {
    return decodePartitionMetadata(readFileSync(join(directory, PARTITION_METADATA_FILE), 'utf8'))
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw error
  }
}

/**
 * Renames the directory of a partition that the metadata does not know: what a crash, or a disk that was
 * away, left of a deleted topic. It is not removed: if it was the metadata that got lost, the records are
 * still there; and a topic of the same name must not find the old records. Returns the new name.
 */
export function setAside(directory: string, name: string): string {
  const aside = `${name}.${Date.now()}${STRAY_SUFFIX}`
  renameSync(join(directory, name), join(directory, aside))
  return aside
}
