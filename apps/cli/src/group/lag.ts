import type { ClusterAdmin, CommittedOffset } from '@fairlead/kafka'
import type { Column, JsonObject } from '../output/output.ts'

/** How far a group is behind in one partition. */
export type PartitionLag = JsonObject & {
  readonly topic: string
  readonly partition: number
  readonly committedOffset: number
  readonly logStartOffset: number
  readonly highWatermark: number
  /** Records that the group has yet to read, and can: what retention took does not count. */
  readonly lag: number
  readonly memberId: string | null
  readonly clientHost: string | null
}

export const LAG_COLUMNS: readonly Column<PartitionLag>[] = [
  { title: 'topic', value: ({ topic }) => topic },
  { title: 'partition', value: ({ partition }) => partition, align: 'right' },
  { title: 'committed', value: ({ committedOffset }) => committedOffset, align: 'right' },
  { title: 'log-start', value: ({ logStartOffset }) => logStartOffset, align: 'right' },
  { title: 'high-watermark', value: ({ highWatermark }) => highWatermark, align: 'right' },
  { title: 'lag', value: ({ lag }) => lag, align: 'right' },
  { title: 'member', value: ({ memberId }) => memberId ?? '' },
  { title: 'host', value: ({ clientHost }) => clientHost ?? '' },
]

type Owner = { readonly memberId: string; readonly clientHost: string }

/** The lag in every partition that the group has committed an offset for. */
export async function lagOf(
  admin: ClusterAdmin,
  committed: readonly CommittedOffset[],
  ownerOf: (topic: string, partition: number) => Owner | undefined = () => undefined,
): Promise<readonly PartitionLag[]> {
  return Promise.all(
    committed.map(async ({ topic, partition, offset }) => {
      const [logStartOffset, highWatermark] = await Promise.all([
        admin.listOffsets({ topic, partition, timestamp: 'earliest' }),
        admin.listOffsets({ topic, partition, timestamp: 'latest' }),
      ])
      const owner = ownerOf(topic, partition)
      return {
        topic,
        partition,
        committedOffset: offset,
        logStartOffset,
        highWatermark,
        lag: Math.max(0, highWatermark - Math.max(offset, logStartOffset)),
        memberId: owner?.memberId ?? null,
        clientHost: owner?.clientHost ?? null,
      }
    }),
  )
}

export function totalLag(partitions: readonly PartitionLag[]): number {
  return partitions.reduce((sum, { lag }) => sum + lag, 0)
}
