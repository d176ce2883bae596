import { readdirSync, renameSync } from 'node:fs'
import { join } from 'node:path'
import { CLUSTER_METADATA_TOPIC } from '../cluster/internal-topics.ts'
import { PARTITION_DIRECTORY } from './data-directories.ts'

const STRAY_SUFFIX = '-stray'

/**
 * Sets aside the directories of partitions that the metadata does not know: what a crash left of
 * deleted topics. They are renamed, not removed: if it was the metadata that got lost, the records
 * are still there; and a topic of the same name must not find the old records.
 */
export function setStraysAside(
  directory: string,
  known: { hasPartition(topic: string, partition: number): boolean },
): readonly string[] {
  const strays: string[] = []
  for (const entry of readdirSync(directory, { withFileTypes: true })) {
    const { topic, partition } = PARTITION_DIRECTORY.exec(entry.name)?.groups ?? {}
    if (!entry.isDirectory() || topic === undefined) continue
    if (topic === CLUSTER_METADATA_TOPIC || known.hasPartition(topic, Number(partition))) continue
    const aside = `${entry.name}.${Date.now()}${STRAY_SUFFIX}`
    renameSync(join(directory, entry.name), join(directory, aside))
    strays.push(aside)
  }
  return strays
}
