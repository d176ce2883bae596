import { setTimeout as sleep } from 'node:timers/promises'
import { errorMessage } from '@fairlead/base'
import { FloodBreaker } from '@fairlead/projection'
import type { AvroSerde } from '@fairlead/serde'
import type { EventLog, Membership } from './log/event-log.ts'
import { RecordReader } from './log/prepare-records.ts'
import { PartitionWorker, type WorkerObserver, type WorkerState } from './partition-worker.ts'
import type { Database } from './store/database.ts'
import { type RegisteredProjection, projectionLabel } from './store/registered-projection.ts'

/** Lag tools look every few seconds; the group's coordinator writes each commit to its disk. */
const OFFSET_COMMIT_INTERVAL_MS = 1_000

/** What a partition may take to finish its batch before others get it. A fence guards the rest. */
const REVOKE_DEADLINE_MS = 4_000

export type RunnerLogger = {
  debug(fields: object, message: string): void
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}

/** Makes the observer of one partition. */
type Observe = (partition: number) => WorkerObserver

export type RunnerOptions = {
  readonly db: Database
  readonly log: EventLog
  readonly serde: Pick<AvroSerde, 'decode'>
  readonly registered: RegisteredProjection
  /** The projector's `group.id`; each version of a projection has a group of its own in it. */
  readonly groupIdPrefix: string
  readonly batchRecordsMax: number
  readonly fetchBytesMax: number
  readonly parkedKeysPerMinuteMax: number
  readonly nowMs: () => number
  readonly logger: RunnerLogger
  readonly observe: Observe
  /** Ready, or the reason why not; called with each change. */
  readonly onHealth: (health: true | string) => void
  /** The membership ended for a reason that waiting does not cure. */
  readonly onFatal: (error: unknown) => void
}

export type PartitionStatus = {
  readonly partition: number
  readonly state: WorkerState
  readonly highWatermark: number | null
}

type Assigned = { readonly worker: PartitionWorker; status: PartitionStatus }

/** Runs one version of a projection on the partitions that the group assigns to this process. */
export class ProjectionRunner {
  readonly #options: RunnerOptions
  readonly #breaker: FloodBreaker
  readonly #reader: RecordReader
  readonly #assigned = new Map<number, Assigned>()
  readonly #committed = new Map<number, number>()
  readonly #abort = new AbortController()
  #membership: Membership | undefined
  #groupTrouble: string | undefined
  #reporting: Promise<void> = Promise.resolve()

  constructor(options: RunnerOptions) {
    this.#options = options
    this.#breaker = new FloodBreaker({ parkedKeysMax: options.parkedKeysPerMinuteMax })
    this.#reader = new RecordReader(options.registered.projection, options.serde)
  }

  get registered(): RegisteredProjection {
    return this.#options.registered
  }

  /** State of the partitions that this process has. */
  get partitions(): readonly PartitionStatus[] {
    return [...this.#assigned.values()].map(({ status }) => status)
  }

  async start(): Promise<void> {
    const { log, registered, groupIdPrefix, logger, onFatal } = this.#options
    const { name, version, events } = registered.projection
    this.#membership = await log.join({
      groupId: `${groupIdPrefix}-${name}-v${version}`,
      topic: events.topic,
      onAssigned: (partitions) => this.#assign(partitions),
      onRevoked: (partitions, { lost }) => this.#revoke(partitions, { mayCommit: !lost }),
      onError: (error, { isFatal }) => {
        if (isFatal) onFatal(error)
        else logger.warn({ err: error, projection: name }, 'the consumer group is in trouble')
        this.#groupTrouble = errorMessage(error)
        this.#publishHealth()
      },
    })
    this.#reporting = this.#reportOffsets()
  }

  /** Finishes the batches in flight and leaves the group. */
  async stop(): Promise<void> {
    this.#abort.abort()
    await this.#reporting
    await this.#membership?.close()
    // A member that never got to join has no revocation.
    await this.#revoke([...this.#assigned.keys()], { mayCommit: false })
  }

  #assign(partitions: readonly number[]): void {
    const { registered, logger } = this.#options
    const label = projectionLabel(registered.projection)
    logger.info({ projection: label, partitions }, 'partitions assigned')
    this.#groupAnswered()
    for (const partition of partitions) {
      if (!this.#assigned.has(partition)) this.#assigned.set(partition, this.#work(partition))
    }
  }

  #work(partition: number): Assigned {
    const { db, log, registered, batchRecordsMax, fetchBytesMax, nowMs } = this.#options
    const status: PartitionStatus = {
      partition,
      state: { kind: 'running' },
      highWatermark: null,
    }
    const update = (changes: Partial<PartitionStatus>): void => {
      const assigned = this.#assigned.get(partition)
      if (assigned?.worker === worker) assigned.status = { ...assigned.status, ...changes }
    }
    const observer = this.#options.observe(partition)
    const worker: PartitionWorker = new PartitionWorker({
      db,
      log,
      breaker: this.#breaker,
      reader: this.#reader,
      partition: { ...registered, partition },
      membership: { fetch: (request) => this.#joined().fetch(request) },
      batchRecordsMax,
      fetchBytesMax,
      nowMs,
      observer: {
        ...observer,
        state: (state) => {
          update({ state })
          observer.state(state)
          this.#publishHealth()
        },
        fetched: (position) => {
          update({ highWatermark: position.highWatermark })
          observer.fetched(position)
          this.#groupAnswered()
        },
      },
    })
    return { worker, status }
  }

  /** A member that is assigned, or may fetch, is over the trouble it had. */
  #groupAnswered(): void {
    if (this.#groupTrouble === undefined) return
    this.#groupTrouble = undefined
    this.#publishHealth()
  }

  #publishHealth(): void {
    const reasons = this.partitions.flatMap(({ partition, state }) =>
      state.kind === 'running' ? [] : [`partition ${partition} ${state.kind}: ${state.reason}`],
    )
    if (this.#groupTrouble !== undefined) reasons.unshift(this.#groupTrouble)
    this.#options.onHealth(reasons[0] ?? true)
  }

  #joined(): Membership {
    if (this.#membership === undefined) throw new TypeError('partitions come from a membership')
    return this.#membership
  }

  async #revoke(
    partitions: readonly number[],
    { mayCommit }: { readonly mayCommit: boolean },
  ): Promise<void> {
    const revoked = partitions.flatMap((partition) => this.#assigned.get(partition) ?? [])
    if (revoked.length === 0) return
    const { logger, registered } = this.#options
    const stopped = Promise.all(revoked.map(({ worker }) => worker.stop()))
    await Promise.race([stopped, sleep(REVOKE_DEADLINE_MS, undefined, { ref: false })])
    if (mayCommit) await this.#commitOffsets()
    for (const { worker, status } of revoked) {
      if (this.#assigned.get(status.partition)?.worker === worker) {
        this.#assigned.delete(status.partition)
        this.#committed.delete(status.partition)
      }
    }
    this.#publishHealth()
    const label = projectionLabel(registered.projection)
    logger.info({ projection: label, partitions }, 'partitions revoked')
  }

  async #reportOffsets(): Promise<void> {
    const { signal } = this.#abort
    while (!signal.aborted) {
      await sleep(OFFSET_COMMIT_INTERVAL_MS, undefined, { signal }).catch(() => undefined)
      if (!signal.aborted) await this.#commitOffsets()
    }
  }

  /** The group's offsets are for lag tools alone: what is true stands in `evt.checkpoint`. */
  async #commitOffsets(): Promise<void> {
    const changed = new Map<number, number>()
    for (const [partition, { worker }] of this.#assigned) {
      const { nextOffset } = worker
      if (nextOffset !== undefined && this.#committed.get(partition) !== nextOffset) {
        changed.set(partition, nextOffset)
      }
    }
    if (changed.size === 0) return
    try {
      await this.#joined().commit(changed)
      for (const [partition, nextOffset] of changed) this.#committed.set(partition, nextOffset)
    } catch (error) {
      this.#options.logger.debug({ reason: errorMessage(error) }, 'group offsets not committed')
    }
  }
}
