import { GroupCoordinator } from '../index.ts'
import type {
  CoordinatorRecord,
  Completion,
  Decision,
  GroupConfig,
  GroupEvent,
  JoinGroupRequest,
  JoinGroupResponse,
  OffsetCommitRequest,
  Step,
  SyncGroupResponse,
} from '../index.ts'

const TEST_CONFIG: GroupConfig = {
  offsetsPartitionCount: 4,
  sessionTimeoutMinMs: 1_000,
  sessionTimeoutMaxMs: 300_000,
  initialRebalanceDelayMs: 3_000,
  membersMax: 100,
  offsetMetadataMaxBytes: 64,
  offsetsRetentionMs: 604_800_000,
  offsetsRetentionCheckIntervalMs: 600_000,
  groupsMax: 1_000,
  memberMetadataMaxBytes: 65_536,
  committedPartitionsMax: 100,
}

export const TOPIC = 'orders'
export const TOPIC_ID = 'b3JkZXJzAAAAAAAAAAAAAA'
const PARTITIONS = 40
const WALL_START_MS = 1_700_000_000_000

export type JoinOptions = {
  readonly memberId?: string
  readonly instanceId?: string | null
  readonly protocols?: readonly (readonly [name: string, metadata: string])[]
  readonly protocolType?: string
  readonly sessionTimeoutMs?: number
  readonly rebalanceTimeoutMs?: number
  readonly apiVersion?: number
  readonly clientId?: string
  readonly reason?: string
}

export const GROUP = 'shop'

/**
 * Drives a coordinator as the broker does: keeps its log, parks requests, can crash. Time stands
 * still unless `advance` moves it.
 */
export class Harness {
  readonly config: GroupConfig
  readonly log: { readonly partition: number; readonly record: CoordinatorRecord }[] = []
  readonly events: GroupEvent[] = []
  readonly answers: Map<number, Completion['response']> = new Map()
  coordinator: GroupCoordinator
  nowMs: number = 0
  topicExists: boolean = true
  #nextToken = 1
  #randomCalls = 0

  constructor(config: Partial<GroupConfig> = {}) {
    this.config = { ...TEST_CONFIG, ...config }
    this.coordinator = this.#start()
  }

  get now(): { readonly nowMs: number; readonly wallNowMs: number } {
    return { nowMs: this.nowMs, wallNowMs: WALL_START_MS + this.nowMs }
  }

  /** The process dies and comes back: what was parked is gone, the log is not. */
  crash(): void {
    this.coordinator = this.#start()
    this.answers.clear()
  }

  join(options: JoinOptions = {}): { readonly token: number } {
    const token = this.#nextToken
    this.#nextToken += 1
    const decision = this.coordinator.joinGroup(joinRequest(options), {
      ...this.#context(options),
      token,
    })
    return this.#take(token, decision)
  }

  /** Joins as a client does: comes back with the member id that it is given. */
  joinFully(options: JoinOptions = {}): { readonly token: number; readonly memberId: string } {
    const first = this.joined(this.join({ ...options, memberId: '' }).token)
    if (first?.errorCode !== 'MEMBER_ID_REQUIRED') throw new Error(`got ${first?.errorCode}`)
    const { memberId } = first
    return { ...this.join({ ...options, memberId }), memberId }
  }

  sync(options: {
    readonly memberId: string
    readonly generationId: number
    readonly instanceId?: string | null
    readonly assignments?: Readonly<Record<string, string>>
    readonly protocolName?: string | null
  }): { readonly token: number } {
    const token = this.#nextToken
    this.#nextToken += 1
    const decision = this.coordinator.syncGroup(
      {
        groupId: GROUP,
        generationId: options.generationId,
        memberId: options.memberId,
        groupInstanceId: options.instanceId ?? null,
        protocolType: options.protocolName === undefined ? null : 'consumer',
        protocolName: options.protocolName ?? null,
        assignments: Object.entries(options.assignments ?? {}).map(([memberId, assignment]) => ({
          memberId,
          assignment: bytes(assignment),
        })),
      },
      // Before version 5 a client says nothing of the protocol.
      { ...this.#context({ apiVersion: options.protocolName === undefined ? 4 : 5 }), token },
    )
    return this.#take(token, decision)
  }

  heartbeat(memberId: string, generationId: number, instanceId: string | null = null): string {
    return this.#settle(
      this.coordinator.heartbeat(
        { groupId: GROUP, generationId, memberId, groupInstanceId: instanceId },
        this.now,
      ),
    ).response.errorCode
  }

  leave(
    members: readonly {
      readonly memberId: string
      readonly instanceId?: string
      readonly reason?: string
    }[],
    apiVersion: number = 5,
  ): readonly string[] {
    const { response } = this.#settle(
      this.coordinator.leaveGroup(
        {
          groupId: GROUP,
          memberId: members[0]?.memberId ?? '',
          members: members.map(({ memberId, instanceId = null, reason = null }) => ({
            memberId,
            groupInstanceId: instanceId,
            reason,
          })),
        },
        this.#context({ apiVersion }),
      ),
    )
    return [response.errorCode, ...(response.members ?? []).map(({ errorCode }) => errorCode)]
  }

  commit(options: {
    readonly partition?: number
    readonly offset: number
    readonly memberId?: string
    readonly generationId?: number
    readonly instanceId?: string | null
    readonly metadata?: string | null
    readonly topic?: string
    readonly groupId?: string
    readonly retentionTimeMs?: number
    readonly apiVersion?: number
  }): string {
    const request: OffsetCommitRequest = {
      groupId: options.groupId ?? GROUP,
      generationIdOrMemberEpoch: options.generationId ?? -1,
      memberId: options.memberId ?? '',
      groupInstanceId: options.instanceId ?? null,
      retentionTimeMs: options.retentionTimeMs ?? -1,
      topics: [
        {
          name: options.topic ?? TOPIC,
          topicId: TOPIC_ID,
          partitions: [
            {
              partitionIndex: options.partition ?? 0,
              committedOffset: options.offset,
              committedLeaderEpoch: 0,
              committedMetadata: options.metadata ?? null,
            },
          ],
        },
      ],
    }
    const { apiVersion = 8 } = options
    const decision = this.coordinator.commitOffsets(request, this.#context({ apiVersion }))
    return this.#settle(decision).response.topics[0]?.partitions[0]?.errorCode ?? 'nothing'
  }

  /** The committed offset, -1 for none. */
  fetch(
    partition: number = 0,
    groupId: string = GROUP,
  ): { readonly offset: number; readonly metadata: string } {
    const { response } = this.coordinator.fetchOffsets(
      {
        groupId: '',
        topics: [],
        groups: [
          {
            groupId,
            memberId: null,
            memberEpoch: -1,
            topics: [{ name: TOPIC, topicId: TOPIC_ID, partitionIndexes: [partition] }],
          },
        ],
        requireStable: false,
      },
      { apiVersion: 8 },
    )
    const answer = response.groups?.[0]?.topics[0]?.partitions[0]
    if (answer?.errorCode !== 'NONE') throw new Error(`got ${answer?.errorCode}`)
    return { offset: answer.committedOffset, metadata: answer.metadata ?? '' }
  }

  /** Moves time on, and lets whatever becomes due on the way happen. */
  advance(durationMs: number): void {
    const endMs = this.nowMs + durationMs
    for (;;) {
      const deadlineMs = this.coordinator.nextDeadlineMs()
      if (deadlineMs === undefined || deadlineMs > endMs) break
      this.nowMs = Math.max(this.nowMs, deadlineMs)
      for (const step of this.coordinator.tick(this.now)) this.#settle(step)
    }
    this.nowMs = endMs
  }

  /** The error of the whole and, if there is none, of each partition of `TOPIC`. */
  deleteOffsets(
    partitions: readonly number[],
    options: { readonly topic?: string; readonly groupId?: string } = {},
  ): readonly string[] {
    const { topic: name = TOPIC, groupId = GROUP } = options
    const topics = [{ name, partitions: partitions.map((partitionIndex) => ({ partitionIndex })) }]
    const { steps, response } = this.coordinator.deleteOffsets({ groupId, topics }, this.now)
    for (const step of steps) this.#settle(step)
    if (response.errorCode !== 'NONE') return [response.errorCode]
    return response.topics.flatMap((topic) => topic.partitions.map(({ errorCode }) => errorCode))
  }

  deleteGroups(...groupsNames: readonly string[]): readonly string[] {
    const { steps, response } = this.coordinator.deleteGroups({ groupsNames }, this.now)
    for (const step of steps) this.#settle(step)
    return response.results.map(({ errorCode }) => errorCode)
  }

  /** Removes the offsets of a topic as the broker does when it is deleted. */
  deleteTopic(topic: string = TOPIC): void {
    for (let partition = 0; partition < this.config.offsetsPartitionCount; partition += 1) {
      this.deleteTopics(partition, [topic])
    }
  }

  deleteTopics(partition: number, topics: readonly string[]): void {
    for (const step of this.coordinator.topicsDeleted(partition, topics, this.now)) {
      this.#settle(step)
    }
  }

  joined(token: number): JoinGroupResponse | undefined {
    return this.answers.get(token) as JoinGroupResponse | undefined
  }

  synced(token: number): SyncGroupResponse | undefined {
    return this.answers.get(token) as SyncGroupResponse | undefined
  }

  /** State, protocol and members as DescribeGroups shows them. */
  describe(groupId: string = GROUP): {
    readonly state: string
    readonly protocol: string
    readonly members: readonly string[]
  } {
    const { groups } = this.coordinator.describeGroups(
      { groups: [groupId], includeAuthorizedOperations: false },
      { apiVersion: 5 },
    )
    const [group] = groups
    return {
      state: group?.groupState ?? '',
      protocol: group?.protocolData ?? '',
      members: (group?.members ?? []).map(({ memberId }) => memberId),
    }
  }

  apply(step: Step): void {
    this.#settle(step)
  }

  #start(): GroupCoordinator {
    const coordinator = new GroupCoordinator({
      config: this.config,
      random: {
        int: () => 0,
        bytes: (length) => {
          this.#randomCalls += 1
          const value = new Uint8Array(length)
          value.set([this.#randomCalls >> 8, this.#randomCalls & 0xff])
          return value
        },
      },
      topics: {
        topicName: (topicId) => (topicId === TOPIC_ID ? TOPIC : undefined),
        topicId: (name) => (name === TOPIC && this.topicExists ? TOPIC_ID : undefined),
        hasPartition: (topic, partition) =>
          topic === TOPIC && partition >= 0 && partition < PARTITIONS,
      },
    })
    const partitions = Array.from({ length: this.config.offsetsPartitionCount }, (_, n) => n)
    for (const partition of partitions) coordinator.startLoading(partition)
    for (const { partition, record } of this.log) coordinator.replay(partition, record)
    for (const partition of partitions) coordinator.finishLoading(partition, this.now)
    return coordinator
  }

  #take<Response extends JoinGroupResponse | SyncGroupResponse>(
    token: number,
    decision: Decision<Response | 'parked'>,
  ): { readonly token: number } {
    this.#settle(decision)
    if (decision.response !== 'parked') this.answers.set(token, decision.response)
    return { token }
  }

  #settle<Any extends Step>(step: Any): Any {
    this.events.push(...step.events)
    for (const record of step.records) this.log.push({ partition: step.partition, record })
    for (const { token, response } of step.completions) {
      if (this.answers.has(token)) throw new Error(`request ${token} is answered twice`)
      this.answers.set(token, response)
    }
    this.coordinator.check()
    return step
  }

  #context({ apiVersion = 5, clientId = 'app' }: JoinOptions) {
    return { ...this.now, apiVersion, clientId, clientHost: '/127.0.0.1' }
  }
}

function joinRequest(options: JoinOptions): JoinGroupRequest {
  return {
    groupId: GROUP,
    sessionTimeoutMs: options.sessionTimeoutMs ?? 10_000,
    rebalanceTimeoutMs: options.rebalanceTimeoutMs ?? 60_000,
    memberId: options.memberId ?? '',
    groupInstanceId: options.instanceId ?? null,
    protocolType: options.protocolType ?? 'consumer',
    protocols: (options.protocols ?? [['range', 'r']]).map(([name, metadata]) => ({
      name,
      metadata: bytes(metadata),
    })),
    reason: options.reason ?? null,
  }
}

/** What a consumer sends as its metadata: version 1, topics, no user data, no owned partitions. */
export function subscription(...topics: readonly string[]): string {
  const names = topics.map((topic) => `\0${String.fromCharCode(topic.length)}${topic}`).join('')
  return `\0\x01\0\0\0${String.fromCharCode(topics.length)}${names}\0\0\0\0\0\0\0\0`
}

export function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text)
}

export function text(value: Uint8Array | undefined): string {
  return new TextDecoder().decode(value)
}
