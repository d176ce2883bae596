import {
  decodeConsumerProtocolAssignment,
  decodeConsumerProtocolSubscription,
  encodeConsumerProtocolAssignment,
  encodeConsumerProtocolSubscription,
  heartbeatV4,
  joinGroupV9,
  leaveGroupV4,
  offsetCommitV8,
  syncGroupV5,
} from './platformatic.ts'
import { type Assignment, type AssignorName, type SubscribedMember } from './assignors.ts'
import { fetchCommittedOffsets } from './committed-offsets.ts'
import type { BrokerConnection, CallOptions } from './broker-connection.ts'
import type { Cluster } from './cluster.ts'
import { errorName, expectNoError, toKafkaError } from './error-codes.ts'
import { KafkaError } from './kafka-error.ts'
import type { TopicPartition } from './records.ts'

const PROTOCOL_TYPE = 'consumer'
/** Version of the subscription and assignment bytes: the eager protocol needs no more. */
const PROTOCOL_VERSION = 0
/** Added to the rebalance timeout, which a join may take in full; the Java client's figure. */
const JOIN_SLACK_MS = 5_000
const LEAVE_TIMEOUT_MS = 5_000

const COORDINATOR_LOST: ReadonlySet<string> = new Set([
  'NOT_COORDINATOR',
  'COORDINATOR_NOT_AVAILABLE',
  'BROKER_NOT_AVAILABLE',
  'NETWORK',
  'TIMEOUT',
])

export type GroupRequestOptions = {
  readonly groupId: string
  readonly instanceId: string | null
  readonly topics: readonly string[]
  readonly assignors: readonly AssignorName[]
  readonly sessionTimeoutMs: number
  readonly rebalanceTimeoutMs: number
}

export type GenerationId = { readonly memberId: string; readonly generationId: number }

export type Joined = GenerationId & {
  readonly assignor: AssignorName
  /** All members when this one leads the generation, else undefined. */
  readonly members: readonly SubscribedMember[] | undefined
  /**
   * The leader came back as a static member, and the generation goes on: its assignment stands, and
   * none is sent (KIP-814).
   */
  readonly skipsAssignment: boolean
}

/** The requests of one group member. Each is one attempt; the coordinator is found when needed. */
export class GroupRequests {
  readonly #cluster: Cluster
  readonly #options: GroupRequestOptions
  #coordinator: number | undefined
  /** Empty until the coordinator gave one. */
  #memberId = ''

  constructor(cluster: Cluster, options: GroupRequestOptions) {
    this.#cluster = cluster
    this.#options = options
  }

  /** The coordinator does not know this member any more: the next join asks for a new id. */
  forgetMemberId(): void {
    this.#memberId = ''
  }

  /** Waits for the other members, at most for the rebalance timeout. */
  async join(signal: AbortSignal): Promise<Joined> {
    const { groupId, instanceId, topics, assignors, rebalanceTimeoutMs } = this.#options
    const what = `JoinGroup of ${groupId}`
    const metadata = encodeConsumerProtocolSubscription({
      version: PROTOCOL_VERSION,
      topics: [...topics],
    })
    const protocols = assignors.map((name) => ({ name, metadata }))
    const options = { timeoutMs: rebalanceTimeoutMs + JOIN_SLACK_MS, signal }
    const join = () =>
      this.#call(options, (connection, call) =>
        connection.call(
          joinGroupV9.api,
          [
            groupId,
            this.#options.sessionTimeoutMs,
            rebalanceTimeoutMs,
            this.#memberId,
            instanceId,
            PROTOCOL_TYPE,
            protocols,
            null,
          ],
          call,
        ),
      )
    let response = await join()
    if (errorName(response.errorCode) === 'MEMBER_ID_REQUIRED') {
      this.#memberId = response.memberId
      response = await join()
    }
    this.#expectNoError(response.errorCode, what)
    this.#memberId = response.memberId
    const isLeader = response.leader === response.memberId
    return {
      memberId: response.memberId,
      generationId: response.generationId,
      assignor: response.protocolName === 'roundrobin' ? 'roundrobin' : 'range',
      members: isLeader ? response.members.map(subscribedMember) : undefined,
      skipsAssignment: response.skipAssignment,
    }
  }

  /** The leader brings everybody's assignment; all others send an empty map and wait for theirs. */
  async sync(
    joined: Joined,
    assignment: Assignment,
    signal: AbortSignal,
  ): Promise<readonly TopicPartition[]> {
    const { groupId, instanceId, rebalanceTimeoutMs } = this.#options
    const assignments = [...assignment].map(([memberId, partitions]) => ({
      memberId,
      assignment: encodeAssignment(partitions),
    }))
    const options = { timeoutMs: rebalanceTimeoutMs + JOIN_SLACK_MS, signal }
    const response = await this.#call(options, (connection, call) =>
      connection.call(
        syncGroupV5.api,
        [
          groupId,
          joined.generationId,
          joined.memberId,
          instanceId,
          PROTOCOL_TYPE,
          joined.assignor,
          assignments,
        ],
        call,
      ),
    )
    this.#expectNoError(response.errorCode, `SyncGroup of ${groupId}`)
    return decodeConsumerProtocolAssignment(response.assignment).assignedPartitions.flatMap(
      ({ topic, partitions }) => partitions.map((partition) => ({ topic, partition })),
    )
  }

  /** Kafka's error name, NONE included. */
  async heartbeat(generation: GenerationId, options: CallOptions): Promise<string> {
    const { groupId, instanceId } = this.#options
    const response = await this.#call(options, (connection, call) =>
      connection.call(
        heartbeatV4.api,
        [groupId, generation.generationId, generation.memberId, instanceId],
        call,
      ),
    )
    this.#noteCoordinatorError(errorName(response.errorCode))
    return errorName(response.errorCode)
  }

  async commit(
    generation: GenerationId,
    offsets: readonly (TopicPartition & { readonly offset: number })[],
    options: CallOptions,
  ): Promise<void> {
    const { groupId, instanceId } = this.#options
    const topics = [...Map.groupBy(offsets, ({ topic }) => topic)].map(([name, ofTopic]) => ({
      name,
      partitions: ofTopic.map(({ partition, offset }) => ({
        partitionIndex: partition,
        committedOffset: BigInt(offset),
        committedLeaderEpoch: -1,
        committedMetadata: '',
      })),
    }))
    const response = await this.#call(options, (connection, call) =>
      connection.call(
        offsetCommitV8.api,
        [groupId, generation.generationId, generation.memberId, instanceId, topics],
        call,
      ),
    )
    for (const { name, partitions } of response.topics) {
      for (const { partitionIndex, errorCode } of partitions) {
        this.#expectNoError(errorCode, `OffsetCommit of ${groupId}: ${name}-${partitionIndex}`)
      }
    }
  }

  committedOffsets(partitions: readonly TopicPartition[], options: CallOptions) {
    return fetchCommittedOffsets(this.#cluster, this.#options.groupId, { ...options, partitions })
  }

  /** A static member stays: its restart within the session timeout then moves no partition. */
  async leave(): Promise<void> {
    const { groupId, instanceId } = this.#options
    if (this.#memberId === '' || instanceId !== null) return
    const members = [{ memberId: this.#memberId, groupInstanceId: null }]
    await this.#call({ timeoutMs: LEAVE_TIMEOUT_MS }, (connection, call) =>
      connection.call(leaveGroupV4.api, [groupId, members], call),
    )
  }

  async #call<Response>(
    options: CallOptions,
    use: (connection: BrokerConnection, options: CallOptions) => Promise<Response>,
  ): Promise<Response> {
    const { groupId } = this.#options
    try {
      this.#coordinator ??= await this.#cluster.findCoordinator(
        { type: 'group', key: groupId },
        options,
      )
      return await this.#cluster.withBroker(
        this.#coordinator,
        (connection) => use(connection, options),
        options,
      )
    } catch (thrown) {
      const error = toKafkaError(thrown, `a request of group ${groupId}`)
      this.#noteCoordinatorError(error.code)
      throw error
    }
  }

  #expectNoError(errorCode: number, what: string): void {
    this.#noteCoordinatorError(errorName(errorCode))
    expectNoError(errorCode, what)
  }

  #noteCoordinatorError(code: string): void {
    if (COORDINATOR_LOST.has(code)) this.#coordinator = undefined
  }
}

function subscribedMember(member: {
  readonly memberId: string
  readonly groupInstanceId?: string | null | undefined
  readonly metadata: Buffer
}): SubscribedMember {
  const { memberId, groupInstanceId, metadata } = member
  try {
    const { topics } = decodeConsumerProtocolSubscription(metadata)
    return { memberId, instanceId: groupInstanceId ?? null, topics }
  } catch (cause) {
    throw new KafkaError(`the subscription of member ${memberId} cannot be decoded`, {
      code: 'INCONSISTENT_GROUP_PROTOCOL',
      retryable: false,
      cause,
    })
  }
}

function encodeAssignment(partitions: readonly TopicPartition[]): Buffer {
  const assignedPartitions = [...Map.groupBy(partitions, ({ topic }) => topic)].map(
    ([topic, ofTopic]) => ({ topic, partitions: ofTopic.map(({ partition }) => partition) }),
  )
  return encodeConsumerProtocolAssignment({ version: PROTOCOL_VERSION, assignedPartitions })
}
