import type { ErrorCode, RequestOf, ResponseBody } from '@fairlead/protocol'
import type { HandlerContext } from './handler.ts'

/**
 * AlterReplicaLogDirs (key 34), versions 1 and 2: there is one directory, in which each replica is
 * already. A replica that is not here cannot be given a place in advance.
 *
 * v2  flexible
 */
export function handleAlterReplicaLogDirs(
  request: RequestOf<'AlterReplicaLogDirs'>,
  { partitions, logDirectory }: HandlerContext,
): ResponseBody<'AlterReplicaLogDirs'> {
  const errorOf = (path: string, topic: string, partition: number): ErrorCode => {
    if (path !== logDirectory) return 'LOG_DIR_NOT_FOUND'
    return partitions.get(topic, partition) === undefined ? 'REPLICA_NOT_AVAILABLE' : 'NONE'
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
