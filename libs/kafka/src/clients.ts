import type { ClientSecurity } from './client-security.ts'
import type { Compression } from './record-batch-encoder.ts'
import type { IncomingRecord, OutgoingRecord, RecordLocation, TopicPartition } from './records.ts'
import type { KafkaError } from './kafka-error.ts'
import type { RejectedKeys } from './rejected-keys.ts'

/** What the services tell a log about; a pino logger fits. */
export interface KafkaLogger {
  debug(fields: object, message: string): void
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
}

export type ClientOptions = {
  /** `host:port` of some brokers; the others are found through them. At least one. */
  readonly bootstrapServers: readonly string[]
  readonly clientId: string
  readonly logger?: KafkaLogger
  /** Default: plain text, as nobody. */
  readonly security?: ClientSecurity | undefined
  /**
   * True fails with SASL_AUTHENTICATION_FAILED as soon as a broker refuses the password, and with
   * SSL_AUTHENTICATION_FAILED when its certificate is not accepted, as Kafka's own clients do: for
   * programs that somebody waits for. By itself it is retried like a lost connection, since these are
   * changed on both sides, and not at once.
   */
  readonly isRefusalFinal?: boolean
  /** Deadline of one request and its response. Default 30 000. */
  readonly requestTimeoutMs?: number
}

export type ProducerOptions = ClientOptions & {
  /** How long a record is retried before its `send` rejects. Default 120 000, as in Kafka. */
  readonly deliveryTimeoutMs?: number
  /** Largest encoded batch. Default 1 048 576, Kafka's `max.request.size`. */
  readonly maxRequestSizeBytes?: number
  /** Of batches, as far as it makes them smaller. Default none. */
  readonly compression?: Compression
  /**
   * Asked right before each attempt to send, the retries too; false ends the producer with REVOKED.
   * For a writer whose place another one may take while a request is tried again.
   */
  readonly isPermitted?: () => boolean
}

export interface IdempotentProducer {
  /**
   * Stores every record (acks=all) and answers their locations in the order of `records`. Records
   * of one partition are stored once, in the order of `send` calls and of the array.
   *
   * @throws {KafkaError} with `rejectedRecords` when the broker refuses some records for what they
   *   are, and with PRECEDING_RECORD_REJECTED those behind them in `records` that have the same key;
   *   all others are stored. Any other failure
   *   ends the producer: what of its unanswered sends is stored is unknown, each later `send`
   *   rejects, and the caller makes a new one and compares the tail of the topic.
   * @param rejectedKeys the same for sends of which a later one is called before an earlier one is
   *   answered: a key that one of them has rejected is rejected in those behind it, too.
   */
  send(
    records: readonly OutgoingRecord[],
    rejectedKeys?: RejectedKeys,
  ): Promise<readonly RecordLocation[]>
  /** Waits up to 10 s for unanswered sends, rejects the rest with CLOSED, closes the connections. */
  close(): Promise<void>
}

export type TransactionalProducerOptions = ProducerOptions & {
  /** Whoever begins with it last is the only one that can go on. */
  readonly transactionalId: string
  /** The brokers abort a transaction that is open for longer. Default 60 000; more than the delivery may take. */
  readonly transactionTimeoutMs?: number
}

/** A record whose partition is known: it is told to the transaction before the record is sent. */
export type PlacedRecord = OutgoingRecord & { readonly partition: number }

export interface TransactionalProducer {
  /**
   * Takes the transactional id over: fences its earlier producers, whose open transaction is aborted.
   * Called once, before anything else.
   *
   * @throws {KafkaError} UNSUPPORTED_VERSION when the brokers have no transactions.
   */
  begin(): Promise<void>
  /**
   * Stores all of the records in one transaction, which is committed when this resolves. One at a time.
   *
   * @throws {KafkaError} with `rejectedRecords` as of `IdempotentProducer.send`, and then none of the
   *   records is committed. Any other failure ends the producer; PRODUCER_FENCED and
   *   INVALID_PRODUCER_EPOCH mean that another one has begun.
   */
  commit(records: readonly PlacedRecord[]): Promise<readonly RecordLocation[]>
  close(): Promise<void>
}

export type OffsetTimestamp = 'earliest' | 'latest' | 'logEnd' | number

export type TopicSpec = {
  readonly topic: string
  readonly partitions: number
  /** Default -1: the broker's `default.replication.factor`. */
  readonly replicationFactor?: number
  readonly configs?: Readonly<Record<string, string>>
}

export interface Admin {
  /** @throws {KafkaError} TOPIC_ALREADY_EXISTS and what else the broker refuses. */
  createTopics(topics: readonly TopicSpec[]): Promise<void>
  /** Creates the topic unless it exists, and answers once it has a leader for every partition. */
  ensureTopic(topic: TopicSpec): Promise<{ readonly created: boolean; readonly partitions: number }>
  /** Undefined when there is no such topic. */
  partitionCount(topic: string): Promise<number | undefined>
  /** Another one for each topic that was ever created, of whatever name. Undefined without a topic. */
  topicId(topic: string): Promise<string | undefined>
  listTopics(): Promise<readonly string[]>
  deleteTopics(topics: readonly string[]): Promise<void>
  /**
   * `latest` is the offset of the next record that can be read; `logEnd` that of the next record to
   * be appended, behind those that are written and not durable yet. A time gives the first record
   * stamped at or after it, and -1 when there is none. For readers of committed records (`isolation`)
   * `latest` is in front of the first transaction that is open.
   */
  listOffsets(
    target: TopicPartition & {
      readonly timestamp: OffsetTimestamp
      /** Default `read_uncommitted`. */
      readonly isolation?: Isolation
    },
  ): Promise<number>
  /** Answers when some broker does. @throws {KafkaError} when none did within `timeoutMs`. */
  ping(timeoutMs: number): Promise<void>
  /** Effective configuration of a topic; a value is null when the broker hides it. */
  describeTopicConfigs(topic: string): Promise<ReadonlyMap<string, string | null>>
  /** Next offset per partition as committed by the group; undefined entries are absent. */
  committedOffsets(
    groupId: string,
    partitions: readonly TopicPartition[],
  ): Promise<readonly (TopicPartition & { readonly offset: number })[]>
  /** With all its offsets. @throws {KafkaError} NON_EMPTY_GROUP while it has members; GROUP_ID_NOT_FOUND. */
  deleteGroup(groupId: string): Promise<void>
  close(): Promise<void>
}

export type FetchRequest = TopicPartition & {
  readonly fromOffset: number
  /** How long the broker may wait for the first record. */
  readonly maxWaitMs: number
  /** Soft limit: the first batch comes back even when it is larger. */
  readonly maxBytes: number
  /** Asks for this topic, and not for another one that has its name now (Fetch version 13, KIP-516). */
  readonly topicId?: string
  /**
   * Leader epoch of the record before `fromOffset`, so that the broker can tell when that one is gone
   * (KIP-320); -1 when it is not known.
   */
  readonly lastFetchedEpoch?: number
  /** Default `read_uncommitted`; `read_committed` leaves out what was aborted, and ends before what is open. */
  readonly isolation?: Isolation
  readonly signal?: AbortSignal
}

/** Kafka's `isolation.level`. */
export type Isolation = 'read_uncommitted' | 'read_committed'

export type FetchResult = {
  /** In offset order, none below `fromOffset`; empty after `maxWaitMs` without a record. */
  readonly records: readonly IncomingRecord[]
  /** Where to go on; beyond control batches and compacted records, so it moves without records too. */
  readonly nextOffset: number
  readonly highWatermark: number
  readonly logStartOffset: number
  /** Leader epoch of the last batch; undefined when there is none. */
  readonly leaderEpoch: number | undefined
}

export interface Reader {
  /**
   * One fetch, retried over lost connections and moved leaders for `maxWaitMs`
   * plus the request timeout.
   *
   * @throws {KafkaError} OFFSET_OUT_OF_RANGE; UNKNOWN_TOPIC_ID when the topic of `topicId` is gone;
   *   LOG_TRUNCATED when the log has lost the record before `fromOffset`; ABORTED when `signal`
   *   fires; others.
   */
  fetch(request: FetchRequest): Promise<FetchResult>
  close(): Promise<void>
}

export type GroupMemberOptions = ClientOptions & {
  readonly groupId: string
  readonly topics: readonly string[]
  /** Static membership (KIP-345): a restart within the session timeout causes no rebalance. */
  readonly instanceId?: string
  /** Default 45 000, as in Kafka. */
  readonly sessionTimeoutMs?: number
  /** How long `onRevoked` may take before the group goes on without this member. Default 300 000. */
  readonly rebalanceTimeoutMs?: number
  /** Default 3 000, as in Kafka; at most a third of the session timeout is sensible. */
  readonly heartbeatIntervalMs?: number
  /** Names of Kafka's eager assignors, in order of preference. Default `['range']`. */
  readonly assignors?: readonly ('range' | 'roundrobin')[]
  /**
   * The member has joined; called for each generation, with no partitions when there are not enough
   * for all members. From here on `fetch` and `commit` work. Heartbeats go on while it runs.
   */
  readonly onAssigned: (partitions: readonly AssignedPartition[]) => void | Promise<void>
  /**
   * Awaited before the member joins again: finish and commit what was fetched from `partitions`.
   * Fetches of the generation have ended with REBALANCE_IN_PROGRESS. Once per `onAssigned`.
   * `lost` means that the group already went on, so that a commit would be refused.
   */
  readonly onRevoked: (
    partitions: readonly TopicPartition[],
    reason: { readonly lost: boolean },
  ) => void | Promise<void>
  /** Failures that the member gets over by itself, and the one that ends it (`retryable` false). */
  readonly onError: (error: KafkaError) => void
}

export type AssignedPartition = TopicPartition & {
  /** The group's committed next offset; undefined when it has none. */
  readonly committedOffset: number | undefined
}

export interface GroupMember {
  /** As {@link Reader.fetch}; for partitions of the current assignment only (else NOT_ASSIGNED). */
  fetch(request: FetchRequest): Promise<FetchResult>
  /**
   * Commits next offsets under the current generation.
   *
   * @throws {KafkaError} ILLEGAL_GENERATION, UNKNOWN_MEMBER_ID, REBALANCE_IN_PROGRESS,
   *   FENCED_INSTANCE_ID: the partition may already belong to another member.
   */
  commit(offsets: readonly (TopicPartition & { readonly offset: number })[]): Promise<void>
  /**
   * Revokes, leaves the group (a static member stays, as in Kafka), closes the connections. A coordinator that does not
   * answer is waited for no longer than 2 s for commits, which then fail with ABORTED, and as long for each request of leaving.
   */
  close(): Promise<void>
}
