import type { MetadataImage } from '../metadata-image.ts'
import type { PartitionChangeRecord } from '../metadata-record.ts'

/**
 * After a crash every partition begins a new leader epoch, as an election gives it one in a cluster.
 *
 * Records that were read may be gone (a topic in mode `os`, and the machine lost its power). Others will
 * get their offsets; only the epoch tells a reader that what it read has no future (KIP-320).
 */
export function leadAgain(
  image: MetadataImage,
  { brokerId }: { readonly brokerId: number },
): readonly PartitionChangeRecord[] {
  return Array.from(image.topics()).flatMap(({ topicId, partitions }) =>
    partitions.map(({ partition }) => ({
      kind: 'PartitionChangeRecord',
      topicId,
      partitionId: partition,
      leader: brokerId,
    })),
  )
}
