import { setTimeout as sleep } from 'node:timers/promises'
import { errorMessage } from '@fairlead/base'
import type { ReaderReports } from '@fairlead/serde'
import { FloodBreaker } from '@fairlead/projection'
import { type EventLog, type Membership, type TopicPartition, placeOf } from './log/event-log.ts'
import { RecordReader, type ValueSerde } from './log/prepare-records.ts'
import { reportingSerde } from './log/reporting-serde.ts'
import { PartitionSpans } from './partition-spans.ts'
import { withinCommitSpan } from './group-commit-span.ts'
import { groupIdOf } from './group-id.ts'
import type { PauseGate } from './pause-gate.ts'
import { PartitionWorker } from './partition-worker.ts'
import type { ReplayOrders } from './replay-orders.ts'
import type { RowCaches } from './row-cache.ts'
import type { WorkerObserver, WorkerState } from './worker-observer.ts'
import type { Database } from './store/database.ts'
import type { LetterMirror } from './store/mirror-letters.ts'
import { projectionLabel } from './projection-label.ts'
import type { RegisteredProjection } from './store/registered-projection.ts'

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
type Observe = (partition: TopicPartition) => WorkerObserver

export type RunnerOptions = {
  readonly db: Database
  readonly log: EventLog
  readonly serde: ValueSerde
  /** Where it is told with which schemas the projection reads. */
  readonly reports?: Pick<ReaderReports, 'reads'>
  readonly registered: RegisteredProjection
  readonly gate: PauseGate
  /** The projector's `group.id`; each version of a projection has a group of its own in it. */
  readonly groupIdPrefix: string
  readonly rowCaches: RowCaches
  readonly replayOrders: ReplayOrders
  readonly batchRecordsMax: number
  readonly fetchBytesMax: number
  readonly parkedKeysPerMinuteMax: number
  /** An event that claims to be later than this ahead of the clock is set aside. */
  readonly eventAheadMaxMs: number
  /** Header of a record that names its tenant; undefined where there are none. */
  readonly tenantHeader: string | undefined
  /** Gets a copy of each letter. */
  readonly mirror: LetterMirror | undefined
  readonly nowMs: () => number
  readonly logger: RunnerLogger
  readonly observe: Observe
  /** Ready, or the reason why not; called with each change. */
  readonly onHealth: (health: true | string) => void
  /** The membership ended for a reason that waiting does not cure. */
  readonly onFatal: (error: unknown) => void
}

export type PartitionStatus = TopicPartition & {
  readonly state: WorkerState
  readonly highWatermark: number | null
}

type Assigned = { readonly worker: PartitionWorker; status: PartitionStatus }

/** Runs one version of a projection on the partitions that the group assigns to this process. */
export class ProjectionRunner {
  readonly #options: RunnerOptions
  readonly #breaker: FloodBreaker
  /** Decodes records as the projection sees them. */
  readonly reader: RecordReader
  /** By topic and partition, see `placeOf`. */
  readonly #assigned = new Map<string, Assigned>()
  readonly #committed = new Map<string, number>()
  readonly #abort = new AbortController()
  #joining: Promise<Membership> | undefined
  #membership: Membership | undefined
  #groupTrouble: string | undefined
  #reporting: Promise<void> = Promise.resolve()

  constructor(options: RunnerOptions) {
    this.#options = options
    this.#breaker = new FloodBreaker({ parkedKeysMax: options.parkedKeysPerMinuteMax })
    this.reader = new RecordReader(options.registered.projection, serdeOf(options), {
      nowMs: () => Date.now(),
      aheadMaxMs: options.eventAheadMaxMs,
      tenantHeader: options.tenantHeader,
      headersWhenRead: true,
      includedTenants: options.registered.includedTenants,
    })
  }

  /** Aborted when it stops. */
  get signal(): AbortSignal {
    return this.#abort.signal
  }

  get registered(): RegisteredProjection {
    return this.#options.registered
  }

  /** State of the partitions that this process has. */
  get partitions(): readonly PartitionStatus[] {
    return [...this.#assigned.values()].map(({ status }) => status)
  }

  get #groupId(): string {
    const { groupIdPrefix, registered } = this.#options
    return groupIdOf(groupIdPrefix, registered.projection)
  }

  async start(): Promise<void> {
    const { log, registered, logger, onFatal } = this.#options
    const { name, sources } = registered.projection
    this.#joining = log.join({
      groupId: this.#groupId,
      topics: sources.map(({ topic }) => topic),
      onAssigned: (partitions) => this.#assign(partitions),
      onRevoked: (partitions, { lost }) => this.#revoke(partitions, { isLost: lost }),
      onError: (error, { isFatal }) => {
        if (isFatal) onFatal(error)
        else logger.warn({ err: error, projection: name }, 'the consumer group is in trouble')
        this.#groupTrouble = errorMessage(error)
        this.#publishHealth()
      },
    })
    this.#membership = await this.#joining
    this.#reporting = this.#reportOffsets()
  }

  /** Finishes the batches in flight and leaves the group. */
  async stop(): Promise<void> {
    this.#abort.abort()
    // Before anything that a broker has to answer.
    for (const { worker } of this.#assigned.values()) void worker.stop({ isLost: false })
    const membership = await this.#joining?.catch(() => undefined)
    await membership?.close()
    // A member that never got to join has no revocation.
    await this.#revoke(this.partitions, { isLost: true })
    await this.#reporting
    // Nobody is left who would get over it, and the process has other versions to be ready with.
    this.#groupAnswered()
  }

  #assign(partitions: readonly TopicPartition[]): void {
    const { registered, logger } = this.#options
    const label = projectionLabel(registered.projection)
    logger.info({ projection: label, partitions: partitions.map(placeOf) }, 'partitions assigned')
    this.#groupAnswered()
    for (const partition of partitions) {
      const place = placeOf(partition)
      if (!this.#assigned.has(place)) this.#assigned.set(place, this.#work(partition))
    }
  }

  #work({ topic, partition }: TopicPartition): Assigned {
    const place = placeOf({ topic, partition })
    const { db, log, registered, gate, batchRecordsMax, fetchBytesMax, nowMs } = this.#options
    const status: PartitionStatus = {
      topic,
      partition,
      state: { kind: 'running' },
      highWatermark: null,
    }
    const update = (changes: Partial<PartitionStatus>): void => {
      const assigned = this.#assigned.get(place)
      if (assigned?.worker === worker) assigned.status = { ...assigned.status, ...changes }
    }
    const observer = this.#options.observe({ topic, partition })
    const at = { ...registered, topic, partition }
    const worker: PartitionWorker = new PartitionWorker({
      db,
      log,
      breaker: this.#breaker,
      mirror: this.#options.mirror,
      reader: this.reader,
      gate,
      partition: at,
      spans: new PartitionSpans(at, { groupId: this.#groupId }),
      membership: { fetch: (request) => this.#joined().fetch(request) },
      rowCaches: this.#options.rowCaches,
      replayOrders: this.#options.replayOrders,
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
    partitions: readonly TopicPartition[],
    { isLost }: { readonly isLost: boolean },
  ): Promise<void> {
    const revoked = partitions.flatMap((partition) => this.#assigned.get(placeOf(partition)) ?? [])
    if (revoked.length === 0) return
    const { logger, registered } = this.#options
    const stopped = Promise.all(revoked.map(({ worker }) => worker.stop({ isLost })))
    await Promise.race([stopped, sleep(REVOKE_DEADLINE_MS, undefined, { ref: false })])
    if (!isLost) await this.#commitOffsets()
    for (const { worker, status } of revoked) {
      const place = placeOf(status)
      if (this.#assigned.get(place)?.worker === worker) {
        this.#assigned.delete(place)
        this.#committed.delete(place)
      }
    }
    this.#publishHealth()
    const label = projectionLabel(registered.projection)
    logger.info({ projection: label, partitions: partitions.map(placeOf) }, 'partitions revoked')
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
    const changed: (TopicPartition & { readonly offset: number })[] = []
    for (const [place, { worker, status }] of this.#assigned) {
      const { topic, partition } = status
      const offset = worker.nextOffset
      if (offset !== undefined && this.#committed.get(place) !== offset) {
        changed.push({ topic, partition, offset })
      }
    }
    if (changed.length === 0) return
    try {
      const { registered } = this.#options
      const of = { ...registered, groupId: this.#groupId }
      await withinCommitSpan(changed, of, () => this.#joined().commit(changed))
      for (const position of changed) this.#committed.set(placeOf(position), position.offset)
    } catch (error) {
      this.#options.logger.debug({ reason: errorMessage(error) }, 'group offsets not committed')
    }
  }
}

function serdeOf(options: RunnerOptions): ValueSerde {
  const { serde, reports } = options
  return reports === undefined
    ? serde
    : reportingSerde(
        serde,
        reports,
        groupIdOf(options.groupIdPrefix, options.registered.projection),
      )
}
