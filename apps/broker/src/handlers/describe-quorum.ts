import type { RequestOf, ResponseBody } from '@fairlead/protocol'
import { CLUSTER_METADATA_TOPIC } from '../cluster/internal-topics.ts'
import type { HandlerContext } from './handler.ts'

type PartitionAnswer = ResponseBody<'DescribeQuorum'>['topics'][number]['partitions'][number]

/**
 * DescribeQuorum (key 55), versions 0 to 2: this node is the only voter, and leads.
 *
 * v1  when each replica fetched last, and was caught up (KIP-836)
 * v2  error messages, directory ids, and the nodes' addresses (KIP-853)
 */
export function handleDescribeQuorum(
  request: RequestOf<'DescribeQuorum'>,
  context: HandlerContext,
): ResponseBody<'DescribeQuorum'> {
  return {
    errorCode: 'NONE',
    errorMessage: '',
    topics: request.topics.map(({ topicName, partitions }) => ({
      topicName,
      partitions: partitions.map(({ partitionIndex }) =>
        topicName === CLUSTER_METADATA_TOPIC && partitionIndex === 0
          ? quorum(context)
          : unknown(partitionIndex),
      ),
    })),
    // The quorum has no listener of its own.
    nodes: [{ nodeId: context.node.nodeId, listeners: [] }],
  }
}

function quorum({ node, controller, clock }: HandlerContext): PartitionAnswer {
  const nowMs = clock.wallNowMs()
  const { leaderEpoch, highWatermark, logEndOffset } = controller.metadataLog
  return {
    partitionIndex: 0,
    errorCode: 'NONE',
    errorMessage: '',
    leaderId: node.nodeId,
    leaderEpoch,
    highWatermark,
    currentVoters: [
      {
        replicaId: node.nodeId,
        replicaDirectoryId: node.directoryId,
        logEndOffset,
        lastFetchTimestamp: nowMs,
        lastCaughtUpTimestamp: nowMs,
      },
    ],
    observers: [],
  }
}

function unknown(partitionIndex: number): PartitionAnswer {
  return {
    partitionIndex,
    errorCode: 'UNKNOWN_TOPIC_OR_PARTITION',
    errorMessage: 'This server does not host this topic-partition.',
    leaderId: 0,
    leaderEpoch: 0,
    highWatermark: 0,
    currentVoters: [],
    observers: [],
  }
}
