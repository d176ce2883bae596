import { backoffDelayMs } from '@fairlead/base'
import { setMaxListeners } from 'node:events'
import { type Assignment, assignPartitions } from './assignors.ts'
import type {
  AssignedPartition,
  FetchRequest,
  FetchResult,
  GroupMember,
  GroupMemberOptions,
} from './clients.ts'
import { Cluster } from './cluster.ts'
import { closedError, toKafkaError } from './error-codes.ts'
import { GroupRequests, type Joined } from './group-requests.ts'
import { KafkaError } from './kafka-error.ts'
import { fetchRecords } from './reader.ts'
import type { TopicPartition } from './records.ts'
import { RETRY_BACKOFF, delay, jitter, retrying } from './retrying.ts'

/** Defaults of Kafka's consumer. */
const SESSION_TIMEOUT_DEFAULT_MS = 45_000
const REBALANCE_TIMEOUT_DEFAULT_MS = 300_000
const HEARTBEAT_INTERVAL_DEFAULT_MS = 3_000
/** How often the leader looks for new partitions. Kafka's is five minutes. */
const PARTITION_CHECK_MS = 10_000
/** The same while a topic does not exist yet: somebody waits for its first record. */
const MISSING_TOPIC_CHECK_MS = 500
/** Of what is committed while the member is closed: its process is about to be killed. */
const CLOSING_COMMIT_TIMEOUT_MS = 2_000
/** Attempts at a heartbeat that got no answer are this far apart. */
const HEARTBEAT_RETRY_MS = 500

/** Another member has, or may have, the partitions: what was fetched must not be committed. */
const MEMBERSHIP_LOST: ReadonlySet<string> = new Set(['ILLEGAL_GENERATION', 'UNKNOWN_MEMBER_ID'])
/** Joining again cannot help. */
const TERMINAL: ReadonlySet<string> = new Set([
  'FENCED_INSTANCE_ID',
  'INCONSISTENT_GROUP_PROTOCOL',
  'INVALID_GROUP_ID',
  'INVALID_SESSION_TIMEOUT',
  'GROUP_AUTHORIZATION_FAILED',
  'TOPIC_AUTHORIZATION_FAILED',
  'GROUP_MAX_SIZE_REACHED',
  'UNSUPPORTED_VERSION',
  'CALLBACK_FAILED',
])

/** Why a generation ended for this member. */
type GenerationEnd = { readonly reason: 'rebalance' | 'closing' | 'lost' | 'fenced' }

type Generation = {
  readonly joined: Joined
  readonly partitions: readonly TopicPartition[]
  /** The assignment was made before this member was here, of fewer or other partitions. */
  readonly isOutdated: boolean
  /** Fires when the partitions are about to be revoked: fetches end. */
  readonly revocation: AbortController
}

export function createGroupMember(options: GroupMemberOptions): GroupMember {
  const member = new Member(options)
  return {
    fetch: (request) => member.fetch(request),
    commit: (offsets) => member.commit(offsets),
    close: () => member.close(),
  }
}

/**
 * One member of a classic consumer group with an eager assignor: join, sync, live, revoke, again.
 *
 * Invariants: `onRevoked` of a generation has returned before the member joins the next one, so no
 * partition is worked on under two generations here. Heartbeats go on while callbacks run, so that
 * slow work costs no membership before the rebalance timeout.
 */
class Member {
  readonly #options: GroupMemberOptions
  readonly #cluster: Cluster
  readonly #requests: GroupRequests
  readonly #closing = new AbortController()
  /** Fires when what was being committed before the member was closed is not waited for any more. */
  readonly #commitsEnd = new AbortController()
  readonly #ended: Promise<void>
  readonly #sessionTimeoutMs: number
  #generation: Generation | undefined
  #failure: KafkaError | undefined
  /** Code of the failure that lasts; told once, not with every attempt. */
  #outage: string | undefined
  #commits: Promise<unknown> = Promise.resolve()

  constructor(options: GroupMemberOptions) {
    this.#options = options
    this.#cluster = new Cluster(options)
    this.#sessionTimeoutMs = options.sessionTimeoutMs ?? SESSION_TIMEOUT_DEFAULT_MS
    this.#requests = new GroupRequests(this.#cluster, {
      groupId: options.groupId,
      instanceId: options.instanceId ?? null,
      topics: options.topics,
      assignors: options.assignors ?? ['range'],
      sessionTimeoutMs: this.#sessionTimeoutMs,
      rebalanceTimeoutMs: options.rebalanceTimeoutMs ?? REBALANCE_TIMEOUT_DEFAULT_MS,
    })
    setMaxListeners(0, this.#closing.signal, this.#commitsEnd.signal)
    this.#ended = this.#run()
  }

  async fetch(request: FetchRequest): Promise<FetchResult> {
    const generation = this.#generationOf([request])
    const stop = new AbortController()
    const abort = () => stop.abort()
    const signals = [generation.revocation.signal, request.signal]
    for (const signal of signals) signal?.addEventListener('abort', abort)
    if (request.signal?.aborted === true) abort()
    try {
      const result = await fetchRecords(this.#cluster, { ...request, signal: stop.signal })
      if (generation.revocation.signal.aborted) throw rebalanceError()
      return result
    } catch (error) {
      const isRevoked = generation.revocation.signal.aborted && request.signal?.aborted !== true
      throw isRevoked ? rebalanceError() : error
    } finally {
      for (const signal of signals) signal?.removeEventListener('abort', abort)
    }
  }

  /** One commit at a time, so that a retried one never overwrites a later one. */
  async commit(offsets: readonly (TopicPartition & { readonly offset: number })[]): Promise<void> {
    const generation = this.#generationOf(offsets)
    const { requestTimeoutMs } = this.#cluster
    const signal = this.#closing.signal.aborted
      ? AbortSignal.timeout(CLOSING_COMMIT_TIMEOUT_MS)
      : this.#commitsEnd.signal
    const commit = () =>
      retrying({ what: 'OffsetCommit', timeoutMs: requestTimeoutMs, signal }, (remaining) =>
        this.#requests.commit(generation.joined, offsets, { timeoutMs: remaining(), signal }),
      )
    const committed = this.#commits.then(commit)
    this.#commits = committed.catch(() => undefined)
    await committed
  }

  async close(): Promise<void> {
    this.#closing.abort()
    const timer = setTimeout(() => this.#commitsEnd.abort(), CLOSING_COMMIT_TIMEOUT_MS)
    await this.#ended
    clearTimeout(timer)
  }

  #generationOf(partitions: readonly TopicPartition[]): Generation {
    if (this.#failure !== undefined) throw this.#failure
    const generation = this.#generation
    if (generation === undefined)
      throw this.#closing.signal.aborted ? closedError() : rebalanceError()
    for (const { topic, partition } of partitions) {
      const isAssigned = generation.partitions.some(
        (assigned) => assigned.topic === topic && assigned.partition === partition,
      )
      if (isAssigned) continue
      throw new KafkaError(`${topic}-${partition} is not assigned to this member`, {
        code: 'NOT_ASSIGNED',
        retryable: false,
      })
    }
    return generation
  }

  async #run(): Promise<void> {
    let failureCount = 0
    while (!this.#closing.signal.aborted && this.#failure === undefined) {
      try {
        const generation = await this.#join()
        failureCount = 0
        this.#outage = undefined
        await this.#live(generation)
      } catch (thrown) {
        if (this.#closing.signal.aborted) break
        const error = toKafkaError(thrown, `group ${this.#options.groupId}`)
        if (error.code === 'UNKNOWN_MEMBER_ID') this.#requests.forgetMemberId()
        failureCount += 1
        this.#report(error)
        await delay(backoffDelayMs(failureCount, RETRY_BACKOFF, jitter), this.#closing.signal)
      }
    }
    await this.#requests.leave().catch((error: unknown) => {
      this.#cluster.logger?.warn({ error: String(error) }, 'the group could not be left')
    })
    this.#cluster.close()
  }

  async #join(): Promise<Generation> {
    const { signal } = this.#closing
    const joined = await this.#requests.join(signal)
    const assignment = await this.#assign(joined)
    const brought: Assignment = joined.skipsAssignment ? new Map() : assignment
    const partitions = await this.#requests.sync(joined, brought, signal)
    const isOutdated = joined.skipsAssignment && !(await this.#stands(assignment))
    const revocation = new AbortController()
    setMaxListeners(0, revocation.signal)
    return { joined, partitions, isOutdated, revocation }
  }

  async #assign({ assignor, members }: Joined): Promise<Assignment> {
    if (members === undefined) return new Map()
    await this.#refreshTopics(members.flatMap(({ topics }) => topics))
    return assignPartitions(assignor, members, (topic) => this.#cluster.partitionCount(topic) ?? 0)
  }

  /** Whether the group has these partitions, no fewer and no others; which of its members has which does not matter. */
  async #stands(assignment: Assignment): Promise<boolean> {
    const { requestTimeoutMs: timeoutMs } = this.#cluster
    const assigned = await this.#requests.assignedToAll({ timeoutMs, signal: this.#closing.signal })
    return isSame(assigned, [...assignment.values()].flat())
  }

  #refreshTopics(topics: readonly string[]): Promise<void> {
    return this.#cluster.refresh([...new Set(topics)], {
      timeoutMs: this.#cluster.requestTimeoutMs,
      signal: this.#closing.signal,
    })
  }

  /** From the assignment to the end of the generation, both callbacks included. */
  async #live(generation: Generation): Promise<void> {
    const stop = new AbortController()
    setMaxListeners(0, stop.signal)
    const { promise: ended, resolve: end } = Promise.withResolvers<GenerationEnd>()
    const onClosing = () => end({ reason: 'closing' })
    this.#closing.signal.addEventListener('abort', onClosing)
    if (this.#closing.signal.aborted) onClosing()
    const background = [
      this.#heartbeats(generation, end, stop.signal),
      this.#watchPartitions(generation, end, stop.signal),
    ]
    try {
      await this.#assigned(generation)
      const { reason } = await ended
      await this.#revoked(generation, reason === 'lost' || reason === 'fenced')
    } finally {
      this.#generation = undefined
      generation.revocation.abort()
      stop.abort()
      this.#closing.signal.removeEventListener('abort', onClosing)
      await Promise.all(background)
    }
  }

  async #assigned(generation: Generation): Promise<void> {
    const { partitions } = generation
    const { requestTimeoutMs } = this.#cluster
    const { signal } = this.#closing
    const committed = await retrying(
      { what: 'OffsetFetch', timeoutMs: requestTimeoutMs, signal },
      async (remaining) =>
        partitions.length === 0
          ? []
          : this.#requests.committedOffsets(partitions, { timeoutMs: remaining(), signal }),
    )
    const assigned = partitions.map(({ topic, partition }): AssignedPartition => {
      const offset = committed.find((c) => c.topic === topic && c.partition === partition)?.offset
      return { topic, partition, committedOffset: offset }
    })
    this.#generation = generation
    await this.#callBack('onAssigned', () => this.#options.onAssigned(assigned))
  }

  async #revoked(generation: Generation, lost: boolean): Promise<void> {
    generation.revocation.abort()
    if (lost) this.#generation = undefined
    await this.#callBack('onRevoked', () =>
      this.#options.onRevoked(generation.partitions, { lost }),
    )
    await this.#commits
  }

  async #callBack(name: string, callback: () => void | Promise<void>): Promise<void> {
    try {
      await callback()
    } catch (cause) {
      throw new KafkaError(`${name} failed`, { code: 'CALLBACK_FAILED', retryable: false, cause })
    }
  }

  /**
   * Until `stop`. A coordinator that does not answer ends nothing: whether the membership outlived
   * the outage is for the coordinator to say, with the first heartbeat that arrives.
   */
  async #heartbeats(
    { joined }: Generation,
    end: (end: GenerationEnd) => void,
    stop: AbortSignal,
  ): Promise<void> {
    const intervalMs = this.#options.heartbeatIntervalMs ?? HEARTBEAT_INTERVAL_DEFAULT_MS
    const timeoutMs = Math.max(intervalMs, Math.ceil(this.#sessionTimeoutMs / 3))
    let delayMs = intervalMs
    for (;;) {
      await delay(delayMs, stop)
      if (stop.aborted) return
      delayMs = intervalMs
      try {
        const code = await this.#requests.heartbeat(joined, { timeoutMs, signal: stop })
        this.#outage = undefined
        if (code === 'REBALANCE_IN_PROGRESS') end({ reason: 'rebalance' })
        if (MEMBERSHIP_LOST.has(code)) {
          // Under ILLEGAL_GENERATION the coordinator still knows the member: it keeps its id, else
          // the others would wait for a ghost.
          if (code === 'UNKNOWN_MEMBER_ID') this.#requests.forgetMemberId()
          end({ reason: 'lost' })
          return
        }
        if (TERMINAL.has(code)) {
          this.#report(new KafkaError(`heartbeat: ${code}`, { code, retryable: false }))
          end({ reason: 'fenced' })
          return
        }
      } catch (error) {
        if (stop.aborted) return
        this.#report(toKafkaError(error, 'Heartbeat'))
        delayMs = Math.min(intervalMs, HEARTBEAT_RETRY_MS)
      }
    }
  }

  /**
   * Only the leader sees all subscriptions, so it starts the rebalance when a topic has grown. A
   * static leader that was away while it grew starts it at once.
   */
  async #watchPartitions(
    { joined: { members }, isOutdated }: Generation,
    end: (end: GenerationEnd) => void,
    stop: AbortSignal,
  ): Promise<void> {
    if (members === undefined) return
    const topics = [...new Set(members.flatMap((member) => member.topics))]
    const counts = () => topics.map((topic) => this.#cluster.partitionCount(topic) ?? 0).join()
    const assigned = counts()
    if (isOutdated) end({ reason: 'rebalance' })
    for (;;) {
      const isMissing = topics.some((topic) => this.#cluster.partitionCount(topic) === undefined)
      await delay(isMissing ? MISSING_TOPIC_CHECK_MS : PARTITION_CHECK_MS, stop)
      if (stop.aborted) return
      try {
        await this.#refreshTopics(topics)
      } catch (error) {
        this.#cluster.logger?.debug({ error: String(error) }, 'partitions could not be checked')
        continue
      }
      if (counts() !== assigned) end({ reason: 'rebalance' })
    }
  }

  #report(error: KafkaError): void {
    const { code, message } = error
    if (code === 'REBALANCE_IN_PROGRESS' || code === this.#outage) return
    this.#outage = code
    const retryable = !TERMINAL.has(code)
    const reported = new KafkaError(message, { code, retryable, cause: error })
    if (!retryable) this.#failure ??= reported
    this.#options.onError(reported)
  }
}

function isSame(left: readonly TopicPartition[], right: readonly TopicPartition[]): boolean {
  const names = new Set(left.map(({ topic, partition }) => `${topic}-${partition}`))
  return (
    left.length === right.length &&
    right.every(({ topic, partition }) => names.has(`${topic}-${partition}`))
  )
}

function rebalanceError(): KafkaError {
  return new KafkaError('the group rebalances: the member has no partitions now', {
    code: 'REBALANCE_IN_PROGRESS',
    retryable: true,
  })
}
