import { type Assignment, type AssignorName, type SubscribedMember } from './assignors.ts'
import { fetchCommittedOffsets } from './committed-offsets.ts'
import type { CallOptions } from './broker-connection.ts'
import type { Cluster } from './cluster.ts'
import {
  COORDINATOR_LOST,
  errorName,
  expectNoError,
  responseError,
  toKafkaError,
} from './error-codes.ts'
import {
  decodeAssignment,
  decodeSubscription,
  encodeAssignment,
  encodeSubscription,
} from './consumer-protocol.ts'
import { KafkaError } from './kafka-error.ts'
import type { TopicPartition } from './records.ts'
import type { Exchange } from './requests/exchange.ts'
import { describeGroupExchange } from './requests/describe-group.ts'
import {
  type MemberOf,
  heartbeatExchange,
  joinGroupExchange,
  leaveGroupExchange,
  syncGroupExchange,
} from './requests/group-membership.ts'
import { offsetCommitExchange } from './requests/offsets.ts'

/** Added to the rebalance timeout, which a join may take in full; the Java client's figure. */
const JOIN_SLACK_MS = 5_000
/** A member that cannot say that it goes is missed a session timeout later. */
const LEAVE_TIMEOUT_MS = 2_000

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
    const metadata = encodeSubscription(topics)
    const protocols = assignors.map((name) => ({ name, metadata }))
    const options = { timeoutMs: rebalanceTimeoutMs + JOIN_SLACK_MS, signal }
    const join = () =>
      this.#call(
        joinGroupExchange({
          groupId,
          sessionTimeoutMs: this.#options.sessionTimeoutMs,
          rebalanceTimeoutMs,
          memberId: this.#memberId,
          instanceId,
          protocols,
        }),
        options,
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
    const { groupId, rebalanceTimeoutMs } = this.#options
    const assignments = [...assignment].map(([memberId, partitions]) => ({
      memberId,
      assignment: encodeAssignment(partitions),
    }))
    const options = { timeoutMs: rebalanceTimeoutMs + JOIN_SLACK_MS, signal }
    const request = { protocolName: joined.assignor, assignments }
    const response = await this.#call(syncGroupExchange(this.#memberOf(joined), request), options)
    this.#expectNoError(response.errorCode, `SyncGroup of ${groupId}`)
    return decodeAssignment(response.assignment)
  }

  /** What all members of the generation have, by the coordinator's word. */
  async assignedToAll(options: CallOptions): Promise<readonly TopicPartition[]> {
    const { groupId } = this.#options
    const what = `DescribeGroups of ${groupId}`
    const group = await this.#call(describeGroupExchange(groupId), options)
    if (group === undefined) throw responseError(15, what)
    this.#expectNoError(group.errorCode, what)
    return group.assignments.flatMap(decodeAssignment)
  }

  /** Kafka's error name, NONE included. */
  async heartbeat(generation: GenerationId, options: CallOptions): Promise<string> {
    const errorCode = await this.#call(heartbeatExchange(this.#memberOf(generation)), options)
    this.#noteCoordinatorError(errorName(errorCode))
    return errorName(errorCode)
  }

  async commit(
    generation: GenerationId,
    offsets: readonly (TopicPartition & { readonly offset: number })[],
    options: CallOptions,
  ): Promise<void> {
    const { groupId } = this.#options
    const exchange = offsetCommitExchange(this.#memberOf(generation), offsets)
    for (const { topic, partition, errorCode } of await this.#call(exchange, options)) {
      this.#expectNoError(errorCode, `OffsetCommit of ${groupId}: ${topic}-${partition}`)
    }
  }

  committedOffsets(partitions: readonly TopicPartition[], options: CallOptions) {
    return fetchCommittedOffsets(this.#cluster, this.#options.groupId, { ...options, partitions })
  }

  /** A static member stays: its restart within the session timeout then moves no partition. */
  async leave(): Promise<void> {
    const { groupId, instanceId } = this.#options
    if (this.#memberId === '' || instanceId !== null) return
    const exchange = leaveGroupExchange({ groupId, memberId: this.#memberId })
    await this.#call(exchange, { timeoutMs: LEAVE_TIMEOUT_MS })
  }

  #memberOf({ memberId, generationId }: GenerationId): MemberOf {
    const { groupId, instanceId } = this.#options
    return { groupId, generationId, memberId, instanceId }
  }

  async #call<Response>(exchange: Exchange<Response>, options: CallOptions): Promise<Response> {
    const { groupId } = this.#options
    try {
      this.#coordinator ??= await this.#cluster.findCoordinator(
        { type: 'group', key: groupId },
        options,
      )
      return await this.#cluster.withBroker(
        this.#coordinator,
        (connection) => connection.exchange(exchange, options),
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
  readonly groupInstanceId: string | null
  readonly metadata: Uint8Array
}): SubscribedMember {
  const { memberId, groupInstanceId, metadata } = member
  try {
    return { memberId, instanceId: groupInstanceId, topics: decodeSubscription(metadata) }
  } catch (cause) {
    throw new KafkaError(`the subscription of member ${memberId} cannot be decoded`, {
      code: 'INCONSISTENT_GROUP_PROTOCOL',
      retryable: false,
      cause,
    })
  }
}
