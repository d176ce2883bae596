import type { Metrics } from '@fairlead/service'

export type QuorumSources = {
  readonly nodeId: number
  readonly metadataLog: {
    readonly leaderEpoch: number
    readonly highWatermark: number
    readonly logEndOffset: number
  }
}

const RAFT = 'kafka_server_raftmetrics'

/** Of a quorum of one: it replicates nothing, and elects itself when it starts. */
const ALWAYS_ZERO = [
  `${RAFT}_commit_latency_avg`,
  `${RAFT}_commit_latency_max`,
  `${RAFT}_append_records_rate`,
  `${RAFT}_fetch_records_rate`,
  `${RAFT}_election_latency_avg`,
  `${RAFT}_election_latency_max`,
  `${RAFT}_number_unknown_voter_connections`,
  'kafka_server_raftchannelmetrics_incoming_byte_total',
  'kafka_server_raftchannelmetrics_outgoing_byte_total',
  'kafka_server_raftchannelmetrics_request_total',
  'kafka_server_raftchannelmetrics_response_total',
  'kafka_controller_kafkacontroller_lastappliedrecordlagms',
] as const

/** The quorum that keeps the metadata, under the names that Strimzi's rules give to KRaft's. */
export function registerQuorumGauges(
  metrics: Metrics,
  { nodeId, metadataLog }: QuorumSources,
): void {
  const gauge = (name: string, help: string, read: () => number): void => {
    metrics.gauge({
      name,
      help,
      collect() {
        this.set(read())
      },
    })
  }
  const lastOffset = (): number => metadataLog.highWatermark - 1
  gauge(`${RAFT}_current_leader`, 'This node.', () => nodeId)
  gauge(`${RAFT}_current_vote`, 'This node.', () => nodeId)
  gauge(`${RAFT}_current_epoch`, 'Of the leader.', () => metadataLog.leaderEpoch)
  gauge(`${RAFT}_high_watermark`, 'Of the metadata log.', () => metadataLog.highWatermark)
  gauge(`${RAFT}_log_end_offset`, 'Of the metadata log.', () => metadataLog.logEndOffset)
  gauge(
    'kafka_controller_kafkacontroller_lastappliedrecordoffset',
    'Last record of the metadata log that is in force.',
    lastOffset,
  )
  gauge(
    'kafka_controller_kafkacontroller_lastcommittedrecordoffset',
    'Last record of the metadata log that is durable.',
    lastOffset,
  )
  metrics
    .gauge({
      name: `${RAFT}_current_state`,
      help: 'Always 1; the label has the state.',
      labelNames: ['current_state'],
    })
    .set({ current_state: 'leader' }, 1)
  for (const name of ALWAYS_ZERO) {
    metrics.gauge({ name, help: 'Always 0: the quorum is this node.' }).set(0)
  }
}
