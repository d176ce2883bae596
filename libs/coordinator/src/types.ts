import type { JoinGroupResponse, SyncGroupResponse } from './messages.ts'

/** One moment on both clocks. Deadlines are on `nowMs`; what is stored carries `wallNowMs`. */
export type Instant = {
  /** Monotonic milliseconds, as `Clock.nowMs`. */
  readonly nowMs: number
  /** Milliseconds since the Unix epoch, as `Clock.wallNowMs`. */
  readonly wallNowMs: number
}

/** What a request brings along besides its body. */
export type RequestContext = Instant & {
  /** Version of the request, since some rules differ by version. */
  readonly apiVersion: number
  /** From the request header; part of the member id that the coordinator makes. */
  readonly clientId: string
  /** Address of the client, as DescribeGroups shows it (`/127.0.0.1`). */
  readonly clientHost: string
}

/** Names a parked request. The shell chooses it, unique among the requests that it has parked. */
export type ParkToken = number

/** A record for the group's partition of `__consumer_offsets`; a null value is a tombstone. */
export type CoordinatorRecord = {
  readonly key: Uint8Array
  readonly value: Uint8Array | null
}

/** The answer to a request that was parked. */
export type Completion =
  | { readonly kind: 'JoinGroup'; readonly token: ParkToken; readonly response: JoinGroupResponse }
  | { readonly kind: 'SyncGroup'; readonly token: ParkToken; readonly response: SyncGroupResponse }

/** What happened in a group, for logs and metrics: nothing else depends on it. */
export type GroupEvent =
  | {
      readonly kind: 'rebalanceBegan'
      readonly groupId: string
      /** The one that ends. */
      readonly generationId: number
      /** With what the client said itself (KIP-800). */
      readonly reason: string
    }
  /** All members are here; the leader is about to assign. */
  | {
      readonly kind: 'generationBegan'
      readonly groupId: string
      readonly generationId: number
      readonly memberCount: number
    }
  /** The assignment is there: the rebalance is over. */
  | {
      readonly kind: 'generationCompleted'
      readonly groupId: string
      readonly generationId: number
      readonly memberCount: number
    }
  | { readonly kind: 'groupEmptied'; readonly groupId: string; readonly generationId: number }
  | { readonly kind: 'groupDeleted'; readonly groupId: string }
  | {
      readonly kind: 'offsetsCommitted' | 'offsetsExpired' | 'offsetsDeleted'
      readonly groupId: string
      readonly count: number
    }

/**
 * What one event changed. The coordinator has replayed the records already; the shell appends them
 * to `partition` of `__consumer_offsets` and lets nothing of this step, nor of a later step of the
 * same partition, out before they are durable. A client thus never sees a state that a crash undoes.
 */
export type Step = {
  /** Partition of `__consumer_offsets`. */
  readonly partition: number
  readonly records: readonly CoordinatorRecord[]
  readonly completions: readonly Completion[]
  readonly events: readonly GroupEvent[]
}

/** A step that a request caused, with its answer. */
export type Decision<Response> = Step & { readonly response: Response }

/** Steps that a request caused, in this order, with its answer: it changed several groups, or much. */
export type Decisions<Response> = { readonly steps: readonly Step[]; readonly response: Response }

/** An answer that must wait until the appends under way in `partitions` are durable. */
export type ReadDecision<Response> = {
  readonly partitions: readonly number[]
  readonly response: Response
}

/** States of a classic group, in Kafka's spelling (ListGroups and DescribeGroups show them). */
export type GroupState = 'Empty' | 'PreparingRebalance' | 'CompletingRebalance' | 'Stable' | 'Dead'

/** A group as metrics and tools see it. */
export type GroupSummary = {
  readonly groupId: string
  readonly state: GroupState
  /** Empty for a group that only commits offsets. */
  readonly protocolType: string
  readonly memberCount: number
  /** Partitions with a committed offset. */
  readonly offsetCount: number
  readonly offsets: Iterable<CommittedPosition>
}

export type CommittedPosition = {
  readonly topic: string
  readonly partition: number
  readonly committedOffset: number
}

/** What the coordinator asks about topics. `MetadataImage` of `@fairlead/metadata` is one. */
export interface TopicDirectory {
  /** Name of the topic with this id, or undefined when there is none. */
  topicName(topicId: string): string | undefined
  /** Id of the topic with this name, or undefined when there is none. */
  topicId(name: string): string | undefined
  hasPartition(topic: string, partition: number): boolean
}

/** Limits and delays; each is a broker configuration key of Kafka unless said otherwise. */
export type GroupConfig = {
  /** `offsets.topic.num.partitions`. Must never change once groups exist. */
  readonly offsetsPartitionCount: number
  /** `group.min.session.timeout.ms` */
  readonly sessionTimeoutMinMs: number
  /** `group.max.session.timeout.ms` */
  readonly sessionTimeoutMaxMs: number
  /** `group.initial.rebalance.delay.ms` */
  readonly initialRebalanceDelayMs: number
  /** `group.max.size`: members of one group. */
  readonly membersMax: number
  /** `offset.metadata.max.bytes` */
  readonly offsetMetadataMaxBytes: number
  /** `offsets.retention.minutes`, in milliseconds. */
  readonly offsetsRetentionMs: number
  /** `offsets.retention.check.interval.ms` */
  readonly offsetsRetentionCheckIntervalMs: number
  /** Groups of this process; ours. */
  readonly groupsMax: number
  /** Metadata of all protocols of one member, in bytes; ours. */
  readonly memberMetadataMaxBytes: number
  /** Partitions with a committed offset, per group; ours. */
  readonly committedPartitionsMax: number
}
