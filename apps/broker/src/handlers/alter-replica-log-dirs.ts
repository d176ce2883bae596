import type { ErrorCode, RequestOf, ResponseBody } from '@fairlead/protocol'
import type { HandlerContext } from './handler.ts'

/**
 * AlterReplicaLogDirs (key 34), versions 1 and 2: a replica stays in the directory that it is in;
 * moving one to another is not supported. One that is not here cannot be given a place in advance.
 *
 * v2  flexible
 */
export function handleAlterReplicaLogDirs(
  request: RequestOf<'AlterReplicaLogDirs'>,
  { partitions, directories }: HandlerContext,
): ResponseBody<'AlterReplicaLogDirs'> {
  const errorOf = (path: string, topic: string, partition: number): ErrorCode => {
    if (directories.failures.has(path)) return 'KAFKA_STORAGE_ERROR'
    if (!directories.online.some((directory) => directory.path === path)) return 'LOG_DIR_NOT_FOUND'
    const found = partitions.get(topic, partition)
    if (found === undefined) return 'REPLICA_NOT_AVAILABLE'
    return found.directory.path === path ? 'NONE' : 'UNSUPPORTED_VERSION'
  }
  return {
    results: request.dirs.flatMap(({ path, topics }) =>
      topics.map(({ name, partitions: indexes }) => ({
        topicName: name,
        partitions: indexes.map((partitionIndex) => ({
          partitionIndex,
          errorCode: errorOf(path, name, partitionIndex),
        })),
      })),
    ),
  }
}
