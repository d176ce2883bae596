import { statfs } from 'node:fs/promises'
import type { RequestOf, ResponseBody } from '@fairlead/protocol'
import type { LocalPartition } from '../partitions/partition-table.ts'
import type { HandlerContext } from './handler.ts'

type TopicAnswer = ResponseBody<'DescribeLogDirs'>['results'][number]['topics'][number]

/** Kafka's: not known. */
const UNKNOWN_BYTES = -1

/**
 * DescribeLogDirs (key 35), versions 1 to 5: the directories of this broker, and what the replicas
 * in them take up. One that failed says KAFKA_STORAGE_ERROR.
 *
 * v2  flexible
 * v3  top-level error
 * v4  size of the volume, and what is free (KIP-827)
 * v5  whether the directory takes no new replicas (KIP-1066), which does not occur here
 */
export async function handleDescribeLogDirs(
  request: RequestOf<'DescribeLogDirs'>,
  { partitions, directories }: HandlerContext,
): Promise<ResponseBody<'DescribeLogDirs'>> {
  const chosen = request.topics === null ? partitions.all() : requested(request.topics, partitions)
  const byDirectory = Map.groupBy(chosen, ({ directory }) => directory)
  const online = directories.online.map(async (directory) => ({
    errorCode: 'NONE' as const,
    logDir: directory.path,
    topics: byTopic(byDirectory.get(directory) ?? []),
    ...(await volume(directory.path)),
  }))
  const failed = Array.from(directories.failures.keys(), (logDir) => ({
    errorCode: 'KAFKA_STORAGE_ERROR' as const,
    logDir,
    topics: [],
    totalBytes: UNKNOWN_BYTES,
    usableBytes: UNKNOWN_BYTES,
  }))
  return { errorCode: 'NONE', results: [...(await Promise.all(online)), ...failed] }
}

function* requested(
  topics: NonNullable<RequestOf<'DescribeLogDirs'>['topics']>,
  partitions: HandlerContext['partitions'],
): Iterable<LocalPartition> {
  for (const { topic, partitions: indexes } of topics) {
    for (const index of new Set(indexes)) {
      const found = partitions.get(topic, index)
      if (found !== undefined) yield found
    }
  }
}

function byTopic(partitions: Iterable<LocalPartition>): TopicAnswer[] {
  const topics = new Map<string, TopicAnswer['partitions'][number][]>()
  for (const { topic, partition, log } of partitions) {
    const answers = topics.get(topic) ?? []
    topics.set(topic, answers)
    answers.push({
      partitionIndex: partition,
      partitionSize: log.sizeBytes,
      offsetLag: 0,
      isFutureKey: false,
    })
  }
  return Array.from(topics, ([name, answers]) => ({ name, partitions: answers }))
}

async function volume(path: string): Promise<{ totalBytes: number; usableBytes: number }> {
  try {
    const { bsize, blocks, bavail } = await statfs(path)
    return { totalBytes: blocks * bsize, usableBytes: bavail * bsize }
  } catch {
    return { totalBytes: UNKNOWN_BYTES, usableBytes: UNKNOWN_BYTES }
  }
}
