import type { LogRecord } from '@fairlead/projection'

/**
 * The log as the projector reads it. `kafka-event-log.ts` implements it over a consumer group; tests
 * run on a log in memory.
 */
export interface EventLog {
  /** Joins the group and answers at once; partitions arrive through `onAssigned`. */
  join(options: JoinOptions): Promise<Membership>
  /** First offset that the partition still has. */
  earliestOffset(topic: string, partition: number): Promise<number>
  /** Undefined while there is no such topic. */
  topicId(topic: string): Promise<string | undefined>
  /** Offset behind the last record that can be read. */
  endOffset(topic: string, partition: number): Promise<number>
  /** The same, behind records of open transactions, which cannot be read yet. */
  highWatermark(topic: string, partition: number): Promise<number>
  /** 0 without such a topic. */
  partitionCount(topic: string): Promise<number>
  /** As {@link Membership.fetch}, without being a member. */
  read(request: FetchRequest): Promise<Fetched>
  /** With the offsets that it has committed. One that has members stays. */
  deleteGroup(groupId: string): Promise<GroupDeletion>
  close(): Promise<void>
}

export type GroupDeletion = 'deleted' | 'absent' | 'hasMembers'

export type TopicPartition = { readonly topic: string; readonly partition: number }

/** `topic/partition`: topics have no slash in their names. */
export function placeOf({ topic, partition }: TopicPartition): string {
  return `${topic}/${partition}`
}

/** @see placeOf */
export function partitionAt(place: string): TopicPartition {
  const slash = place.lastIndexOf('/')
  return { topic: place.slice(0, slash), partition: Number(place.slice(slash + 1)) }
}

export type JoinOptions = {
  readonly groupId: string
  readonly topics: readonly string[]
  readonly onAssigned: (partitions: readonly TopicPartition[]) => void
  /**
   * Awaited before other members get the partitions. `lost` means that they may have them already.
   */
  readonly onRevoked: (
    partitions: readonly TopicPartition[],
    reason: { readonly lost: boolean },
  ) => Promise<void>
  /** Trouble with the group. The membership gets over it by itself when `isFatal` is false. */
  readonly onError: (error: Error, trouble: { readonly isFatal: boolean }) => void
}

export type Fetched = {
  readonly records: readonly LogRecord[]
  /** Where to go on: behind the records, and behind control batches and compacted records. */
  readonly nextOffset: number
  readonly highWatermark: number
  /** Leader epoch of the last batch; undefined when there is none. */
  readonly leaderEpoch: number | undefined
}

type FetchRequest = TopicPartition & {
  readonly fromOffset: number
  /** Soft limit. */
  readonly maxBytes: number
  readonly maxWaitMs: number
  readonly signal: AbortSignal
}

export interface Membership {
  /**
   * Waits for records from `fromOffset` on, for `maxWaitMs` at most.
   *
   * @throws {OperationalError} with Kafka's error name as `code`, such as OFFSET_OUT_OF_RANGE or
   *   UNKNOWN_TOPIC_ID; LOG_TRUNCATED when the record before `fromOffset` is gone.
   */
  fetch(
    request: FetchRequest & {
      /** A topic that was created anew under the name is another one. */
      readonly topicId: string
      /** Of the record before `fromOffset`; -1 when it is not known. */
      readonly lastFetchedEpoch: number
    },
  ): Promise<Fetched>
  /** Tells the group where the projection is: for lag tools only, nothing reads it back. */
  commit(positions: readonly (TopicPartition & { readonly offset: number })[]): Promise<void>
  /** Revokes all partitions and leaves the group. */
  close(): Promise<void>
}
