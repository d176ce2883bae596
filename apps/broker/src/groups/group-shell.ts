import { type Clock, type Timers, assertNever, invariant } from '@fairlead/base'
import type {
  Completion,
  Decision,
  DeleteGroupsRequest,
  DeleteGroupsResponse,
  DescribeGroupsRequest,
  DescribeGroupsResponse,
  GroupCoordinator,
  GroupEvent,
  GroupSummary,
  HeartbeatRequest,
  HeartbeatResponse,
  Instant,
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
  ParkToken,
  ReadDecision,
  RequestContext,
  Step,
  SyncGroupRequest,
  SyncGroupResponse,
} from '@fairlead/coordinator'
import { StorageError } from '@fairlead/log'
import type { Departure } from '../network/departure.ts'
import type { OffsetsLog } from './offsets-log.ts'

export type GroupClient = Pick<RequestContext, 'apiVersion' | 'clientId' | 'clientHost'>

/** What becomes of a request that was parked. */
type ParkOutcome =
  | { readonly kind: 'completed'; readonly completion: Completion }
  /** The records behind its answer could not be written. */
  | { readonly kind: 'failed'; readonly error: unknown }
  /** The client left: nobody needs the answer. */
  | { readonly kind: 'left' }

export type GroupShellOptions = {
  readonly coordinator: GroupCoordinator
  readonly offsetsLog: Pick<
    OffsetsLog,
    | 'exists'
    | 'create'
    | 'partitions'
    | 'append'
    | 'settled'
    | 'drained'
    | 'hasFailed'
    | 'isOffline'
    | 'isAwaited'
    | 'replay'
  >
  readonly clock: Clock
  readonly timers: Timers
  /** Told of what happens in groups, before it is durable. */
  readonly onEvent: (event: GroupEvent) => void
  /**
   * Groups cannot be loaded, or their log is beyond repair: the process must not go on. May be called
   * again.
   */
  readonly onFailure: (error: unknown) => void
}

/** After a failed append a partition takes no changes for so long; twice as long the next time. */
const PAUSE_FIRST_MS = 1_000
const PAUSE_MAX_MS = 30_000

const NOTHING_CHANGED = { records: [], completions: [], events: [] } as const

/**
 * Runs the group coordinator on `__consumer_offsets`: feeds it requests and time, appends what it
 * decided, and lets answers out once the records behind them are durable.
 *
 * Invariant: an answer leaves only after every record of its partition that was appended before it,
 * its own included, is durable. A client thus never sees a state that a crash undoes.
 *
 * A failed append (a full disk) leaves memory ahead of the log. The partition is then unloaded, and
 * loaded anew from what is in the log; it takes no changes until a pause is over, which grows while
 * appends go on failing. The requests whose answers were kept back are decided again: the coordinator,
 * which has let go of the partition, tells them to ask again or elsewhere.
 *
 * A partition that could not be opened for lack of room goes on loading until it was: its groups are told
 * to ask again.
 */
export class GroupShell {
  readonly #options: GroupShellOptions
  /** Partitions whose last append failed, until they take changes again. */
  readonly #reloading = new Set<number>()
  /** How long the last failure paused a partition; gone once an append succeeds. */
  readonly #lastPausesMs = new Map<number, number>()
  readonly #parked = new Map<ParkToken, (outcome: ParkOutcome) => void>()
  #nextToken: ParkToken = 1
  #started: Promise<void> | undefined
  /** Settles once every partition was loaded once. */
  #loaded: Promise<unknown> = Promise.resolve()
  /** Deleted topics whose offsets are being removed, by how many partitions. */
  readonly #removals = new Map<string, number>()
  #hasGroups = false
  readonly #lost = new Set<number>()
  /** Partitions that are loaded once their log is open. */
  readonly #awaited = new Set<number>()
  #isStopped = false
  #timer: { readonly deadlineMs: number; readonly cancel: () => void } | undefined

  constructor(options: GroupShellOptions) {
    this.#options = options
  }

  /** Requests that wait for their group. */
  get parkedCount(): number {
    return this.#parked.size
  }

  /** Loads the groups if there are any; they answer COORDINATOR_LOAD_IN_PROGRESS meanwhile. */
  resume(): void {
    if (this.#options.offsetsLog.exists) this.#inBackground(this.start())
  }

  /** Creates `__consumer_offsets` at its first use. Resolves once it exists; loading goes on. */
  start(): Promise<void> {
    this.#started ??= this.#start().catch((error: unknown) => {
      this.#started = undefined
      throw error
    })
    return this.#started
  }

  /** The log of a partition that was awaited is open, or lost. */
  partitionSettled(partition: number): void {
    if (this.#awaited.delete(partition)) this.#inBackground(this.#loadOne(partition))
  }

  /** Ends the groups here: parked requests are told to look for another coordinator. */
  stop(): void {
    const { coordinator, offsetsLog } = this.#options
    this.#isStopped = true
    this.#timer?.cancel()
    for (const partition of this.#hasGroups ? offsetsLog.partitions() : []) {
      if (this.#lost.has(partition)) continue
      this.#inBackground(this.#carryOut(coordinator.unload(partition)))
    }
  }

  /** Undefined when the client left while it waited; its member stays until its session ends. */
  join(
    request: JoinGroupRequest,
    client: GroupClient,
    departure: Departure,
  ): Promise<JoinGroupResponse | undefined> {
    return this.#park('JoinGroup', departure, (token) =>
      this.#options.coordinator.joinGroup(request, { ...this.#context(client), token }),
    )
  }

  /** Undefined as with `join`. */
  sync(
    request: SyncGroupRequest,
    client: GroupClient,
    departure: Departure,
  ): Promise<SyncGroupResponse | undefined> {
    return this.#park('SyncGroup', departure, (token) =>
      this.#options.coordinator.syncGroup(request, { ...this.#context(client), token }),
    )
  }

  heartbeat(request: HeartbeatRequest): Promise<HeartbeatResponse> {
    return this.#decided(() => this.#options.coordinator.heartbeat(request, this.#now()))
  }

  leave(request: LeaveGroupRequest, client: GroupClient): Promise<LeaveGroupResponse> {
    return this.#decided(() => this.#options.coordinator.leaveGroup(request, this.#context(client)))
  }

  commitOffsets(request: OffsetCommitRequest, client: GroupClient): Promise<OffsetCommitResponse> {
    return this.#decided(() =>
      this.#options.coordinator.commitOffsets(request, this.#context(client)),
    )
  }

  async deleteOffsets(request: OffsetDeleteRequest): Promise<OffsetDeleteResponse> {
    const { steps, response } = this.#options.coordinator.deleteOffsets(request, this.#now())
    const unwritten = await this.#unwrittenPartitions(steps)
    return unwritten.size === 0 ? response : this.deleteOffsets(request)
  }

  async deleteGroups({ groupsNames }: DeleteGroupsRequest): Promise<DeleteGroupsResponse> {
    const { coordinator } = this.#options
    const { steps, response } = coordinator.deleteGroups({ groupsNames }, this.#now())
    const unwritten = await this.#unwrittenPartitions(steps)
    const isWritten = (groupId: string) => !unwritten.has(coordinator.partitionFor(groupId))
    const results = response.results.filter(({ groupId }) => isWritten(groupId))
    if (results.length === response.results.length) return response
    // The others only: what is deleted already would not be found.
    const again = groupsNames.filter((groupId) => !isWritten(groupId))
    return { results: [...results, ...(await this.deleteGroups({ groupsNames: again })).results] }
  }

  fetchOffsets(request: OffsetFetchRequest, client: GroupClient): Promise<OffsetFetchResponse> {
    return this.#read(() => this.#options.coordinator.fetchOffsets(request, this.#context(client)))
  }

  describe(request: DescribeGroupsRequest, client: GroupClient): Promise<DescribeGroupsResponse> {
    const { coordinator } = this.#options
    return this.#read(() => ({
      partitions: [...new Set(request.groups.map((groupId) => coordinator.partitionFor(groupId)))],
      response: coordinator.describeGroups(request, this.#context(client)),
    }))
  }

  /** Every group that is loaded, for metrics. */
  summaries(): Iterable<GroupSummary> {
    return this.#options.coordinator.summaries()
  }

  async list(request: ListGroupsRequest): Promise<ListGroupsResponse> {
    return this.#options.coordinator.listGroups(request)
  }

  /** Offsets of topics that are gone are gone, too. */
  async topicsDeleted(topics: readonly string[]): Promise<void> {
    const partitions = this.#hasGroups ? this.#options.offsetsLog.partitions() : []
    await Promise.all(partitions.map((partition) => this.#removeOffsets(partition, topics)))
  }

  /**
   * Whether groups may have offsets in a topic of this name that was deleted: a topic that has it now
   * would be read from there after a crash. Resolves once all groups were loaded.
   */
  async mayHaveOffsetsOf(topic: string): Promise<boolean> {
    await this.#loaded.catch(() => {})
    return this.#removals.has(topic) || this.#options.coordinator.keepsOffsetsOf(topic)
  }

  /** Tried again after a failed append: the partition then keeps the topics until it is writable. */
  async #removeOffsets(partition: number, topics: readonly string[]): Promise<void> {
    const steps = this.#options.coordinator.topicsDeleted(partition, topics, this.#now())
    this.#countRemovals(topics, 1)
    try {
      await Promise.all(steps.map((step) => this.#carryOut(step)))
    } catch (error) {
      unlessStorageError(error)
      await this.#removeOffsets(partition, topics)
    } finally {
      this.#countRemovals(topics, -1)
    }
  }

  #countRemovals(topics: readonly string[], change: 1 | -1): void {
    for (const topic of topics) {
      const count = (this.#removals.get(topic) ?? 0) + change
      if (count > 0) this.#removals.set(topic, count)
      else this.#removals.delete(topic)
    }
  }

  #removeLeftOffsets(partition: number): Promise<void> {
    const topics = this.#options.coordinator.takeDeletedTopics(partition)
    return this.#removeOffsets(partition, topics)
  }

  async #start(): Promise<void> {
    const { coordinator, offsetsLog } = this.#options
    await offsetsLog.create()
    if (this.#isStopped) return
    for (const partition of offsetsLog.partitions()) coordinator.startLoading(partition)
    this.#hasGroups = true
    const loaded = this.#load()
    this.#loaded = loaded
    this.#inBackground(loaded)
  }

  async #load(): Promise<void> {
    const { offsetsLog } = this.#options
    for (const partition of offsetsLog.partitions()) await this.#loadOne(partition)
  }

  /** Its directory may be offline already, and may fail at any time while it is read. */
  async #loadOne(partition: number): Promise<void> {
    const { coordinator, offsetsLog } = this.#options
    if (offsetsLog.isAwaited(partition)) {
      this.#awaited.add(partition)
      return
    }
    try {
      await offsetsLog.replay(partition, (record) => {
        if (!this.#isStopped && !this.#lost.has(partition)) coordinator.replay(partition, record)
      })
    } catch (error) {
      if (!(error instanceof StorageError && offsetsLog.isOffline(partition))) throw error
    }
    if (this.#isStopped) return
    if (offsetsLog.isOffline(partition)) {
      this.#lose(partition)
      return
    }
    const step = coordinator.finishLoading(partition, this.#now())
    // In the same turn: no request comes between.
    const removed = this.#removeLeftOffsets(partition)
    await Promise.all([this.#carryOut(step), removed])
  }

  #appendFailed(partition: number, error: unknown): void {
    const { offsetsLog, onFailure } = this.#options
    if (offsetsLog.isOffline(partition)) {
      this.#lose(partition)
    } else if (this.#isStopped || offsetsLog.hasFailed(partition)) {
      onFailure(error)
    } else if (!this.#reloading.has(partition)) {
      this.#reloading.add(partition)
      this.#inBackground(this.#reload(partition))
    }
  }

  /** The directory of the log failed: these groups have no coordinator until a restart finds it. */
  #lose(partition: number): void {
    if (this.#isStopped || this.#lost.has(partition)) return
    this.#lost.add(partition)
    this.#complete(this.#options.coordinator.unload(partition))
  }

  /** Brings memory back to what the log holds, after an append to the partition failed. */
  async #reload(partition: number): Promise<void> {
    const { coordinator, offsetsLog, timers } = this.#options
    const lastPauseMs = this.#lastPausesMs.get(partition)
    const pauseMs = lastPauseMs === undefined ? PAUSE_FIRST_MS : 2 * lastPauseMs
    this.#lastPausesMs.set(partition, Math.min(pauseMs, PAUSE_MAX_MS))
    coordinator.setWritable(partition, false)
    this.#complete(coordinator.unload(partition))
    coordinator.startLoading(partition)
    await offsetsLog.drained(partition)
    if (this.#isStopped) return
    await this.#loadOne(partition)
    timers.after(Math.min(pauseMs, PAUSE_MAX_MS), () => {
      if (this.#isStopped) return
      this.#reloading.delete(partition)
      coordinator.setWritable(partition, true)
      if (!this.#lost.has(partition)) this.#inBackground(this.#removeLeftOffsets(partition))
      this.#scheduleTick()
    })
  }

  async #park<Response extends Completion['response']>(
    kind: Completion['kind'],
    departure: Departure,
    decide: (token: ParkToken) => Decision<Response | 'parked'>,
  ): Promise<Response | undefined> {
    const token = this.#nextToken
    this.#nextToken += 1
    const { promise, resolve } = Promise.withResolvers<ParkOutcome>()
    const decision = decide(token)
    const { partition, response } = decision
    // Registered before the step is carried out, which may complete this very request.
    if (response === 'parked') this.#parked.set(token, resolve)
    if (!(await this.#isCarriedOut(decision))) {
      this.#parked.delete(token)
      return this.#park(kind, departure, decide)
    }
    if (response !== 'parked') return response
    const stopWatching = departure.onLeft(() => {
      this.#parked.delete(token)
      resolve({ kind: 'left' })
    })
    const outcome = await promise
    stopWatching()
    switch (outcome.kind) {
      case 'left':
        return undefined
      case 'failed':
        this.#unlessLetGo(partition, outcome.error)
        return this.#park(kind, departure, decide)
      case 'completed': {
        const { completion } = outcome
        invariant(completion.kind === kind, 'a request is completed by an answer of its own kind')
        return completion.response as Response
      }
      default:
        return assertNever(outcome)
    }
  }

  async #decided<Response>(decide: () => Decision<Response>): Promise<Response> {
    const decision = decide()
    return (await this.#isCarriedOut(decision)) ? decision.response : this.#decided(decide)
  }

  async #read<Response>(decide: () => ReadDecision<Response>): Promise<Response> {
    const { partitions, response } = decide()
    const steps = partitions.map((partition) => ({ partition, ...NOTHING_CHANGED }))
    const unwritten = await this.#unwrittenPartitions(steps)
    return unwritten.size === 0 ? response : this.#read(decide)
  }

  /** Carries out the steps; the partitions that took not all of them. Rejects as `#isCarriedOut`. */
  async #unwrittenPartitions(steps: readonly Step[]): Promise<ReadonlySet<number>> {
    const unwritten = new Set<number>()
    await Promise.all(
      steps.map(async (step) => {
        if (!(await this.#isCarriedOut(step))) unwritten.add(step.partition)
      }),
    )
    return unwritten
  }

  /**
   * Whether the step is durable, and all before it: else the coordinator has let go of the partition,
   * and decides differently now. Rejects when it has not, since nothing can be written there any more.
   */
  async #isCarriedOut(step: Step): Promise<boolean> {
    try {
      await this.#carryOut(step)
      return true
    } catch (error) {
      this.#unlessLetGo(step.partition, error)
      return false
    }
  }

  #unlessLetGo(partition: number, error: unknown): void {
    const hasLetGo = this.#isStopped || this.#lost.has(partition) || this.#reloading.has(partition)
    if (!hasLetGo || !(error instanceof StorageError)) throw error
  }

  /** Appends what the step changed; once that is durable, answers whom it completes. */
  async #carryOut({ partition, records, completions, events }: Step): Promise<void> {
    const { offsetsLog, onEvent } = this.#options
    for (const event of events) onEvent(event)
    this.#scheduleTick()
    try {
      if (records.length === 0) {
        await offsetsLog.settled(partition)
      } else {
        await offsetsLog.append(partition, records)
        this.#lastPausesMs.delete(partition)
      }
    } catch (error) {
      this.#appendFailed(partition, error)
      for (const { token } of completions) this.#resolve(token, { kind: 'failed', error })
      throw error
    }
    this.#complete({ completions })
  }

  #complete({ completions }: Pick<Step, 'completions'>): void {
    for (const completion of completions) {
      this.#resolve(completion.token, { kind: 'completed', completion })
    }
  }

  #resolve(token: ParkToken, outcome: ParkOutcome): void {
    this.#parked.get(token)?.(outcome)
    this.#parked.delete(token)
  }

  #scheduleTick(): void {
    const deadlineMs = this.#options.coordinator.nextDeadlineMs()
    if (this.#isStopped || deadlineMs === this.#timer?.deadlineMs) return
    this.#timer?.cancel()
    this.#timer = undefined
    if (deadlineMs === undefined) return
    const delayMs = Math.max(0, deadlineMs - this.#options.clock.nowMs())
    const cancel = this.#options.timers.after(delayMs, () => this.#tick())
    this.#timer = { deadlineMs, cancel }
  }

  #tick(): void {
    this.#timer = undefined
    for (const step of this.#options.coordinator.tick(this.#now())) {
      this.#inBackground(this.#carryOut(step).catch(unlessStorageError))
    }
    this.#scheduleTick()
  }

  #inBackground(work: Promise<void>): void {
    work.catch((error: unknown) => {
      if (!this.#isStopped) this.#options.onFailure(error)
    })
  }

  #context(client: GroupClient): RequestContext {
    return { ...client, ...this.#now() }
  }

  #now(): Instant {
    const { clock } = this.#options
    return { nowMs: clock.nowMs(), wallNowMs: clock.wallNowMs() }
  }
}

/** A failed append was dealt with where it failed, and nobody waits for the answer to a deadline. */
function unlessStorageError(error: unknown): void {
  if (!(error instanceof StorageError)) throw error
}
