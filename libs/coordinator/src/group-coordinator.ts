import { type Random, invariant } from '@fairlead/base'
import type { ErrorCode } from '@fairlead/protocol'
import { checkCommitter, commitOffsets, refusedCommit } from './commit-offsets.ts'
import { checkDeletable, deleteGroup, refusedDeletion } from './delete-groups.ts'
import { deleteOffsets, refusedOffsetDelete } from './delete-offsets.ts'
import {
  describeGroup,
  isListed,
  listedGroup,
  refusedDescription,
  summaryOf,
} from './describe-groups.ts'
import { expireDeadlines, expireOffsets, removeTopics } from './expire.ts'
import {
  fetchOffsets,
  offsetFetchResponse,
  refusedFetch,
  requestedGroups,
} from './fetch-offsets.ts'
import type { Group } from './group.ts'
import { heartbeat } from './heartbeat.ts'
import { joinGroup } from './join-group.ts'
import { leaveGroup } from './leave-group.ts'
import type {
  DeleteGroupsRequest,
  DeleteGroupsResponse,
  DescribeGroupsRequest,
  DescribeGroupsResponse,
  HeartbeatRequest,
  HeartbeatResponse,
  JoinGroupRequest,
  JoinGroupResponse,
  LeaveGroupRequest,
  LeaveGroupResponse,
  ListGroupsRequest,
  ListGroupsResponse,
  OffsetCommitRequest,
  OffsetCommitResponse,
  OffsetDeleteRequest,
  OffsetDeleteResponse,
  OffsetFetchRequest,
  OffsetFetchResponse,
  SyncGroupRequest,
  SyncGroupResponse,
} from './messages.ts'
import { offsetsPartition } from './offsets-partition.ts'
import { refusedJoin } from './rebalance.ts'
import { GroupShard } from './shard.ts'
import { refusedSync, syncGroup } from './sync-group.ts'
import type { Turn } from './turn.ts'
import type {
  CoordinatorRecord,
  Decision,
  Decisions,
  GroupConfig,
  GroupSummary,
  Instant,
  ParkToken,
  ReadDecision,
  RequestContext,
  Step,
  TopicDirectory,
} from './types.ts'

/** Of one member. Clients know a handful of assignors, and members are compared in pairs of them. */
const PROTOCOLS_MAX = 100

export type GroupCoordinatorOptions = {
  readonly config: GroupConfig
  readonly random: Random
  readonly topics: TopicDirectory
}

const NO_TOPICS: ReadonlySet<string> = new Set()

/** Why a group cannot be read here. */
type ServingError = 'NOT_COORDINATOR' | 'COORDINATOR_LOAD_IN_PROGRESS'

/** A request that may have to wait carries the name under which its answer is to be completed. */
export type ParkableContext = RequestContext & { readonly token: ParkToken }

/**
 * Consumer groups in the classic protocol, and committed offsets: the whole group coordinator as a
 * state machine over `__consumer_offsets`.
 *
 * Each method takes one event with its time and says what follows: records to append, the answer,
 * and answers to requests that were parked before. What has to outlive the process changes only by
 * replaying those records (`ReplicatedGroup`); they are replayed before the method returns, so that
 * the next event sees them, and the shell keeps every answer back until they are durable. Nothing is
 * ever undone: when an append fails, the partition is unloaded and loaded anew from its log.
 *
 * Lifecycle of a partition: `startLoading`, `replay` per record, `finishLoading`, then the topics of
 * `takeDeletedTopics` to `topicsDeleted`; `unload` at the end. One caller at a time.
 */
export class GroupCoordinator {
  readonly #config: GroupConfig
  readonly #random: Random
  readonly #topics: TopicDirectory
  readonly #shards = new Map<number, GroupShard>()
  /** Partitions that take no records now. */
  readonly #readOnly = new Set<number>()
  /** By partition: topics whose offsets are still to be removed, since it took no records. */
  readonly #deletedTopics = new Map<number, Set<string>>()
  #nextOffsetExpiryMs: number | undefined

  constructor(options: GroupCoordinatorOptions) {
    this.#config = options.config
    this.#random = options.random
    this.#topics = options.topics
  }

  /** The partition of `__consumer_offsets` that this group's records are in. */
  partitionFor(groupId: string): number {
    return offsetsPartition(groupId, this.#config.offsetsPartitionCount)
  }

  /** From now on the groups of this partition answer COORDINATOR_LOAD_IN_PROGRESS. */
  startLoading(partition: number): void {
    invariant(!this.#shards.has(partition), 'a partition is loaded once')
    this.#shards.set(partition, new GroupShard(partition))
  }

  /** Applies one record of the partition's log, in order. */
  replay(partition: number, record: CoordinatorRecord): void {
    this.#shard(partition).replay(record)
  }

  /** The whole log was replayed: the partition's groups are served. */
  finishLoading(partition: number, now: Instant): Step {
    this.#nextOffsetExpiryMs ??= now.nowMs + this.#config.offsetsRetentionCheckIntervalMs
    return this.#shard(partition).finishLoading(now)
  }

  /**
   * Says whether the partition takes records now (its disk may be full). While it does not, what would
   * change a group is answered COORDINATOR_NOT_AVAILABLE, which clients retry, and nothing expires;
   * heartbeats and reads are served.
   */
  setWritable(partition: number, isWritable: boolean): void {
    if (isWritable) this.#readOnly.delete(partition)
    else this.#readOnly.add(partition)
  }

  /** Forgets the partition; whoever waits gets NOT_COORDINATOR. */
  unload(partition: number): Step {
    const step = this.#shard(partition).abandon()
    this.#shards.delete(partition)
    return step
  }

  /** 'parked': the answer comes as a completion of a later step, under the token of the context. */
  joinGroup(
    request: JoinGroupRequest,
    context: ParkableContext,
  ): Decision<JoinGroupResponse | 'parked'> {
    const refuse = (errorCode: ErrorCode) => refusedJoin(errorCode, request.memberId)
    const { groupId } = request
    const invalid = this.#invalidJoin(request)
    if (invalid !== undefined) return this.#refused(groupId, refuse(invalid))
    return this.#decide(groupId, context, refuse, (shard, turn) => {
      // A client that brings an id was here before; a new group has nobody that was.
      if (request.memberId !== '' && shard.group(groupId) === undefined) {
        return refuse('UNKNOWN_MEMBER_ID')
      }
      if (!this.#hasRoomFor(groupId, shard)) return refuse('COORDINATOR_NOT_AVAILABLE')
      const options = { ...context, config: this.#config, random: this.#random }
      const outcome = joinGroup(shard.groupOrNew(groupId), request, options, turn)
      return outcome === 'parked' ? (takeJoinAnswer(turn, context.token) ?? 'parked') : outcome
    })
  }

  /** 'parked': the answer comes as a completion of a later step, under the token of the context. */
  syncGroup(
    request: SyncGroupRequest,
    context: ParkableContext,
  ): Decision<SyncGroupResponse | 'parked'> {
    const { groupId } = request
    if (groupId === '') return this.#refused(groupId, refusedSync('INVALID_GROUP_ID'))
    // The Java client fails its poll at COORDINATOR_LOAD_IN_PROGRESS here; the generation is lost anyway.
    const refuse = (errorCode: ErrorCode) =>
      refusedSync(
        errorCode === 'COORDINATOR_LOAD_IN_PROGRESS' ? 'REBALANCE_IN_PROGRESS' : errorCode,
      )
    return this.#decide(groupId, context, refuse, (shard, turn) => {
      const group = shard.group(groupId)
      if (group === undefined) return refusedSync('UNKNOWN_MEMBER_ID')
      const outcome = syncGroup(
        group,
        request,
        { token: context.token, apiVersion: context.apiVersion, config: this.#config },
        turn,
      )
      return outcome === 'parked' ? (takeSyncAnswer(turn, context.token) ?? 'parked') : outcome
    })
  }

  heartbeat(request: HeartbeatRequest, now: Instant): Decision<HeartbeatResponse> {
    const { groupId } = request
    const answer = (errorCode: ErrorCode): HeartbeatResponse => ({ errorCode })
    if (groupId === '') return this.#refused(groupId, answer('INVALID_GROUP_ID'))
    const shard = this.#servingShard(groupId)
    // A member that is told of the loading would look for another coordinator; this one will do.
    if (shard === 'COORDINATOR_LOAD_IN_PROGRESS') return this.#refused(groupId, answer('NONE'))
    if (typeof shard === 'string') return this.#refused(groupId, answer(shard))
    return shard.run(groupId, now, (turn) => {
      const group = shard.group(groupId)
      return answer(group === undefined ? 'UNKNOWN_MEMBER_ID' : heartbeat(group, request, turn))
    })
  }

  leaveGroup(request: LeaveGroupRequest, context: RequestContext): Decision<LeaveGroupResponse> {
    const { groupId } = request
    const refuse = (errorCode: ErrorCode): LeaveGroupResponse => ({ errorCode, members: [] })
    if (groupId === '') return this.#refused(groupId, refuse('INVALID_GROUP_ID'))
    return this.#decide(groupId, context, refuse, (shard, turn) => {
      const options = { apiVersion: context.apiVersion, config: this.#config }
      return leaveGroup(shard.group(groupId), request, options, turn)
    })
  }

  commitOffsets(
    request: OffsetCommitRequest,
    context: RequestContext,
  ): Decision<OffsetCommitResponse> {
    const { groupId } = request
    const { apiVersion } = context
    const options = { apiVersion, config: this.#config, topics: this.#topics }
    const refuse = (errorCode: ErrorCode) => refusedCommit(request, options, errorCode)
    return this.#decide(groupId, context, refuse, (shard, turn) => {
      const errorCode = checkCommitter(shard.group(groupId), request, apiVersion)
      if (errorCode !== 'NONE') return refuse(errorCode)
      if (!this.#hasRoomFor(groupId, shard)) return refuse('COORDINATOR_NOT_AVAILABLE')
      return commitOffsets(shard.groupOrNew(groupId), request, options, turn)
    })
  }

  deleteOffsets(request: OffsetDeleteRequest, now: Instant): Decisions<OffsetDeleteResponse> {
    const { groupId } = request
    const shard = this.#writableShard(groupId)
    if (typeof shard === 'string') return { steps: [], response: refusedOffsetDelete(shard) }
    return runSteps(shard, groupId, now, (turn) =>
      deleteOffsets(shard.group(groupId), request, this.#topics, turn),
    )
  }

  deleteGroups(
    { groupsNames }: DeleteGroupsRequest,
    now: Instant,
  ): Decisions<DeleteGroupsResponse> {
    const steps: Step[] = []
    const results = Array.from(new Set(groupsNames), (groupId) => {
      const shard = this.#writableShard(groupId)
      if (typeof shard === 'string') return refusedDeletion(groupId, shard)
      const group = shard.group(groupId)
      const result = checkDeletable(groupId, group)
      if (group !== undefined && result.errorCode === 'NONE') {
        steps.push(...runSteps(shard, groupId, now, (turn) => deleteGroup(group, turn)).steps)
      }
      return result
    })
    return { steps, response: { results } }
  }

  fetchOffsets(
    request: OffsetFetchRequest,
    { apiVersion }: Pick<RequestContext, 'apiVersion'>,
  ): ReadDecision<OffsetFetchResponse> {
    const queries = requestedGroups(request, apiVersion)
    const answers = queries.map((query) => {
      const shard = this.#servingShard(query.groupId)
      if (typeof shard === 'string') return refusedFetch(query, shard)
      const deletedTopics = this.#deletedTopics.get(shard.partition) ?? NO_TOPICS
      const options = { apiVersion, topics: this.#topics, deletedTopics }
      return fetchOffsets(shard.group(query.groupId), query, options)
    })
    return {
      partitions: [...new Set(queries.map(({ groupId }) => this.partitionFor(groupId)))],
      response: offsetFetchResponse(answers, apiVersion),
    }
  }

  describeGroups(
    request: DescribeGroupsRequest,
    { apiVersion }: Pick<RequestContext, 'apiVersion'>,
  ): DescribeGroupsResponse {
    const { includeAuthorizedOperations } = request
    return {
      groups: request.groups.map((groupId) => {
        const shard = this.#servingShard(groupId)
        return typeof shard === 'string'
          ? refusedDescription(groupId, shard)
          : describeGroup(groupId, shard.group(groupId), {
              apiVersion,
              includeAuthorizedOperations,
            })
      }),
    }
  }

  /** Groups of partitions that are still loading are missing, which the error says. */
  listGroups(request: ListGroupsRequest): ListGroupsResponse {
    const shards = [...this.#shards.values()]
    const groups = shards
      .filter(({ isLoaded }) => isLoaded)
      .flatMap((shard) => [...shard.groups()].filter((group) => isListed(group, request)))
    return {
      errorCode: shards.every(({ isLoaded }) => isLoaded) ? 'NONE' : 'COORDINATOR_LOAD_IN_PROGRESS',
      groups: groups.map(listedGroup),
    }
  }

  /** Every group of the partitions that are loaded. Not to be kept: what it tells of changes. */
  *summaries(): Generator<GroupSummary> {
    for (const shard of this.#shards.values()) {
      if (!shard.isLoaded) continue
      for (const group of shard.groups()) yield summaryOf(group)
    }
  }

  /**
   * Removes the offsets that the groups of a partition committed in topics that were deleted. While
   * it takes no records the names are kept for `takeDeletedTopics`, and nobody sees the offsets.
   */
  topicsDeleted(partition: number, topics: readonly string[], now: Instant): readonly Step[] {
    const shard = this.#shards.get(partition)
    if (shard === undefined) return []
    if (shard.isLoaded && !this.#readOnly.has(partition)) {
      const names = new Set(topics)
      return visit(shard, now, (group, turn) => removeTopics(group, names, turn))
    }
    if (topics.length > 0) {
      const kept = this.#deletedTopics.get(partition) ?? NO_TOPICS
      this.#deletedTopics.set(partition, new Set([...kept, ...topics]))
    }
    return []
  }

  /**
   * What `topicsDeleted` must be told of again at once, when the partition was loaded and when it
   * takes records again: topics that were deleted meanwhile, even when others have their names now,
   * and those that do not exist: the process may have died before it removed their offsets.
   */
  takeDeletedTopics(partition: number): readonly string[] {
    const names = new Set(this.#deletedTopics.get(partition))
    this.#deletedTopics.delete(partition)
    for (const group of this.#shard(partition).groups()) {
      for (const { topic } of group.replicated.offsets()) {
        if (this.#topics.topicId(topic) === undefined) names.add(topic)
      }
    }
    return [...names]
  }

  /** Whether offsets of a topic of this name, which was deleted, are still to be removed. */
  keepsOffsetsOf(topic: string): boolean {
    return [...this.#deletedTopics.values()].some((names) => names.has(topic))
  }

  /** When `tick` must be called at the latest; undefined while nothing can become due. */
  nextDeadlineMs(): number | undefined {
    let earliestMs = this.#nextOffsetExpiryMs ?? Infinity
    for (const shard of this.#writableShards()) {
      earliestMs = Math.min(earliestMs, shard.nextDeadlineMs ?? Infinity)
    }
    return earliestMs === Infinity ? undefined : earliestMs
  }

  /** Does everything that is due. Calling it too early changes nothing. */
  tick(now: Instant): readonly Step[] {
    const steps: Step[] = []
    for (const shard of this.#writableShards()) {
      // What an event of this tick schedules for this very moment waits for the next tick.
      const due: string[] = []
      for (let id = shard.takeDue(now.nowMs); id !== undefined; id = shard.takeDue(now.nowMs)) {
        due.push(id)
      }
      for (const groupId of due) {
        const group = shard.group(groupId)
        if (group === undefined) continue
        steps.push(shard.run(groupId, now, (turn) => expireDeadlines(group, turn, this.#config)))
      }
    }
    if (this.#nextOffsetExpiryMs !== undefined && this.#nextOffsetExpiryMs <= now.nowMs) {
      this.#nextOffsetExpiryMs = now.nowMs + this.#config.offsetsRetentionCheckIntervalMs
      steps.push(...this.#visitAll(now, (group, turn) => expireOffsets(group, turn, this.#config)))
    }
    return steps.filter(hasEffect)
  }

  /** Throws when an invariant does not hold. O(groups): for tests and simulation. */
  check(): void {
    for (const shard of this.#shards.values()) shard.check()
  }

  #invalidJoin(request: JoinGroupRequest): ErrorCode | undefined {
    const { sessionTimeoutMinMs, sessionTimeoutMaxMs, memberMetadataMaxBytes } = this.#config
    if (request.groupId === '') return 'INVALID_GROUP_ID'
    const { sessionTimeoutMs } = request
    if (sessionTimeoutMs < sessionTimeoutMinMs || sessionTimeoutMs > sessionTimeoutMaxMs) {
      return 'INVALID_SESSION_TIMEOUT'
    }
    if (request.protocols.length > PROTOCOLS_MAX) return 'INVALID_REQUEST'
    const metadataBytes = request.protocols.reduce((sum, { metadata }) => sum + metadata.length, 0)
    return metadataBytes > memberMetadataMaxBytes ? 'INVALID_REQUEST' : undefined
  }

  #hasRoomFor(groupId: string, shard: GroupShard): boolean {
    if (shard.group(groupId) !== undefined) return true
    let groupCount = 0
    for (const { groupCount: count } of this.#shards.values()) groupCount += count
    return groupCount < this.#config.groupsMax
  }

  #decide<Response>(
    groupId: string,
    now: Instant,
    refuse: (errorCode: ErrorCode) => Response,
    event: (shard: GroupShard, turn: Turn) => Response,
  ): Decision<Response> {
    const shard = this.#writableShard(groupId)
    if (typeof shard === 'string') return this.#refused(groupId, refuse(shard))
    return shard.run(groupId, now, (turn) => event(shard, turn))
  }

  #refused<Response>(groupId: string, response: Response): Decision<Response> {
    const partition = this.partitionFor(groupId)
    return { partition, records: [], completions: [], events: [], response }
  }

  #visitAll(now: Instant, event: (group: Group, turn: Turn) => void): Step[] {
    const steps: Step[] = []
    for (const shard of this.#writableShards()) {
      if (shard.isLoaded) steps.push(...visit(shard, now, event))
    }
    return steps
  }

  *#writableShards(): Generator<GroupShard> {
    for (const shard of this.#shards.values()) {
      if (!this.#readOnly.has(shard.partition)) yield shard
    }
  }

  /** For what writes: the shard, or why not. */
  #writableShard(groupId: string): GroupShard | ServingError | 'COORDINATOR_NOT_AVAILABLE' {
    const shard = this.#servingShard(groupId)
    const isReadOnly = typeof shard !== 'string' && this.#readOnly.has(shard.partition)
    return isReadOnly ? 'COORDINATOR_NOT_AVAILABLE' : shard
  }

  #servingShard(groupId: string): GroupShard | ServingError {
    const shard = this.#shards.get(this.partitionFor(groupId))
    if (shard === undefined) return 'NOT_COORDINATOR'
    return shard.isLoaded ? shard : 'COORDINATOR_LOAD_IN_PROGRESS'
  }

  #shard(partition: number): GroupShard {
    const shard = this.#shards.get(partition)
    invariant(shard !== undefined, () => `partition ${partition} was given to this coordinator`)
    return shard
  }
}

function visit(
  shard: GroupShard,
  now: Instant,
  event: (group: Group, turn: Turn) => void,
): readonly Step[] {
  return [...shard.groups()].flatMap(
    (group) => runSteps(shard, group.groupId, now, (turn) => event(group, turn)).steps,
  )
}

/** Runs an event again and again while it has more to write than one step may hold. */
function runSteps<Response>(
  shard: GroupShard,
  groupId: string,
  now: Instant,
  event: (turn: Turn) => Response,
): Decisions<Response> {
  const steps: Step[] = []
  for (;;) {
    const { response: outcome, ...step } = shard.run(groupId, now, (turn) => ({
      response: event(turn),
      isFull: turn.isFull(),
    }))
    if (hasEffect(step)) steps.push(step)
    if (!outcome.isFull) return { steps, response: outcome.response }
  }
}

function hasEffect({ records, completions, events }: Step): boolean {
  return records.length + completions.length + events.length > 0
}

/** What a shell needs of the coordinator. */
export type GroupCoordinatorApi = Omit<GroupCoordinator, 'check'>

/** The answer to the request itself, if the turn had it already: it need not be parked then. */
function takeJoinAnswer(turn: Turn, token: ParkToken): JoinGroupResponse | undefined {
  const index = turn.completions.findIndex((completion) => completion.token === token)
  const [own] = index < 0 ? [] : turn.completions.splice(index, 1)
  return own?.kind === 'JoinGroup' ? own.response : undefined
}

function takeSyncAnswer(turn: Turn, token: ParkToken): SyncGroupResponse | undefined {
  const index = turn.completions.findIndex((completion) => completion.token === token)
  const [own] = index < 0 ? [] : turn.completions.splice(index, 1)
  return own?.kind === 'SyncGroup' ? own.response : undefined
}
