import type { FailureClass, Projection } from '@fairlead/projection'
import type { Metrics } from '@fairlead/service'
import type { JobProgress } from './store/jobs.ts'
import type { VersionState } from './store/versions.ts'
import type { TopicPartition } from './log/event-log.ts'
import type { LetterCount, ParkedKeyCount } from './store/list-letters.ts'
import type { CommittedBatch, WorkerObserver, WorkerState } from './worker-observer.ts'

/** Seconds; a batch of 2 000 events takes about 50 ms. */
const APPLY_BUCKETS = [0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]
const BATCH_SIZE_BUCKETS = [1, 5, 10, 50, 100, 500, 1_000, 2_000, 5_000, 10_000]

/** Of a partition here; `catching_up` is one that runs, of a version that has not caught up yet. */
const STATES = ['running', 'catching_up', 'paused', 'faulted'] as const
/** Fetches wait for records. */
const FETCH_BUCKETS = [0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5]
const PARTITION_LABELS = ['projection', 'version', 'topic', 'partition'] as const
const LABELS = ['projection', 'version'] as const
/** Of metrics that have the names of OpenTelemetry. */
const MESSAGING_LABELS = ['messaging_system', 'messaging_destination_name', 'projection'] as const

type VersionLabels = Readonly<Record<(typeof LABELS)[number], string>>
type PartitionLabels = Readonly<Record<(typeof PARTITION_LABELS)[number], string>>

type Position = {
  readonly labels: PartitionLabels
  /** Undefined before the take-over. */
  worker: WorkerState['kind'] | undefined
  nextOffset: number | undefined
  highWatermark: number | undefined
  eventTimeMs: number | null
}

/** The projector's metrics; names are stable, and part of its interface. */
export class ProjectorMetrics {
  /** By partition: a worker that is slow to end may still report when its successor does. */
  readonly #positions = new Map<string, Position>()
  /** Versions that are filled here, and those that have yet to catch up. */
  readonly #rebuilding = new Map<string, VersionLabels>()
  readonly #catchingUp = new Set<string>()
  readonly #metrics: ReturnType<typeof defineMetrics>

  constructor(metrics: Metrics, counts: StoredCounts) {
    this.#metrics = defineMetrics(metrics, { positions: this.#positions, counts })
    defineStates(metrics, {
      positions: this.#positions,
      rebuilding: this.#rebuilding,
      catchingUp: this.#catchingUp,
    })
  }

  /** What the database says of a version whose code is here. */
  versionSeen({ name, version }: Projection, state: VersionState): void {
    const label = versionText({ projection: name, version: String(version) })
    if (state === 'catching_up') this.#catchingUp.add(label)
    else this.#catchingUp.delete(label)
  }

  /** Whether this process waits for another one to be gone. */
  standby(isStandby: boolean): void {
    this.#metrics.standby.set(isStandby ? 1 : 0)
  }

  /** How far a rebuild is in its phase; null once it is over. */
  rebuild({ name, version }: Projection, progress: JobProgress | null): void {
    const { rebuildDone, rebuildTotal, rebuildRatio, rebuildEta } = this.#metrics
    const labels = { projection: name, version: String(version) }
    for (const gauge of [rebuildDone, rebuildTotal, rebuildRatio, rebuildEta]) gauge.remove(labels)
    if (progress === null) {
      this.#rebuilding.delete(versionText(labels))
      return
    }
    this.#rebuilding.set(versionText(labels), labels)
    const { done, total, eta } = progress
    rebuildDone.set(labels, done)
    rebuildTotal.set(labels, total)
    rebuildRatio.set(labels, total === 0 ? 0 : done / total)
    if (eta !== null) rebuildEta.set(labels, Math.max(0, eta.getTime() - Date.now()) / 1000)
  }

  /** What one partition reports, from assignment to release. */
  observer(
    projection: Projection,
    { topic, partition }: TopicPartition,
  ): Omit<WorkerObserver, 'crashed' | 'wentBack'> {
    const metrics = this.#metrics
    const labels = { projection: projection.name, version: String(projection.version) }
    const partitionLabels = { ...labels, topic, partition: String(partition) }
    const position: Position = {
      labels: partitionLabels,
      worker: undefined,
      nextOffset: undefined,
      highWatermark: undefined,
      eventTimeMs: null,
    }
    const messaging = {
      messaging_system: 'kafka',
      messaging_destination_name: topic,
      projection: projection.name,
    }
    const place = placeText(partitionLabels)
    this.#positions.set(place, position)
    const isCurrent = () => this.#positions.get(place) === position
    return {
      state: ({ kind }) => {
        position.worker = kind
      },
      failed: ({ failureClass }) => {
        metrics.errors.inc({ ...labels, error_class: failureClass })
        if (failureClass === 'fenced') metrics.fenced.inc(labels)
      },
      held: ({ nextOffset, eventTimeMs }) => {
        Object.assign(position, { nextOffset, eventTimeMs })
      },
      fetched: ({ highWatermark, recordCount, durationMs }) => {
        position.highWatermark = highWatermark
        metrics.consumed.inc(messaging, recordCount)
        metrics.operation.observe(
          { ...messaging, messaging_operation_name: 'poll' },
          durationMs / 1000,
        )
        if (isCurrent()) metrics.heartbeat.set(partitionLabels, Date.now() / 1000)
      },
      committed: (batch) => {
        if (isCurrent()) metrics.lastAdvance.set(partitionLabels, Date.now() / 1000)
        metrics.applyDuration.observe(labels, batch.durationMs / 1000, batch.trace)
        metrics.process.observe(messaging, batch.durationMs / 1000, batch.trace)
        metrics.batchSize.observe(labels, batch.admitted.records.length)
        this.#count(projection, topic, batch)
      },
      drained: ({ isTimed, replayedCount, failedCount, failureCounts }) => {
        this.#countFailures(labels, failureCounts)
        const counter = isTimed ? metrics.retried : metrics.replayed
        counter.inc({ ...labels, result: isTimed ? 'retried' : 'replayed' }, replayedCount)
        counter.inc({ ...labels, result: 'failed' }, failedCount)
      },
      rowCache: {
        used: ({ rowCount, hitCount, isOff }) => {
          metrics.cachedRows.inc({ ...labels, result: 'hit' }, hitCount)
          metrics.cachedRows.inc({ ...labels, result: isOff ? 'off' : 'miss' }, rowCount - hitCount)
        },
        stale: () => metrics.staleRows.inc(labels),
      },
      released: () => {
        if (!isCurrent()) return
        this.#positions.delete(place)
        const { lastAdvance, heartbeat, parkedKeys, retryingKeys } = metrics
        for (const gauge of [lastAdvance, heartbeat, parkedKeys, retryingKeys]) {
          gauge.remove(partitionLabels)
        }
      },
    }
  }

  #count(projection: Projection, topic: string, { admitted, ledger }: CommittedBatch): void {
    const { events, deadLetters } = this.#metrics
    const labels = { projection: projection.name, version: String(projection.version) }
    events.inc({ ...labels, result: 'applied' }, ledger.appliedCount)
    events.inc({ ...labels, result: 'skipped' }, ledger.skipped.length + admitted.ignoredCount)
    const duplicateCount = admitted.duplicateCount + ledger.repeatedCount
    events.inc({ ...labels, result: 'duplicate' }, duplicateCount)
    events.inc({ ...labels, result: 'dlq' }, ledger.letters.length)
    this.#countFailures(labels, ledger.failureCounts)
    for (const { cause } of ledger.letters) {
      const reason = cause.kind === 'blocked' ? 'blocked' : cause.stage
      deadLetters.inc({ source_topic: topic, reason })
    }
  }

  #countFailures(
    labels: Readonly<Record<(typeof LABELS)[number], string>>,
    counts: ReadonlyMap<FailureClass, number>,
  ): void {
    for (const [failureClass, count] of counts) {
      this.#metrics.errors.inc({ ...labels, error_class: failureClass }, count)
    }
  }
}

/** What the database counts, for all processes. */
export type StoredCounts = {
  readonly letters: () => Promise<readonly LetterCount[]>
  readonly parkedKeys: () => Promise<readonly ParkedKeyCount[]>
  /** What this process keeps of rows. */
  readonly rowCacheBytes: () => number
}

type Sources = { readonly positions: ReadonlyMap<string, Position>; readonly counts: StoredCounts }

function defineMetrics(metrics: Metrics, sources: Sources) {
  definePositions(metrics, sources.positions)
  defineLetterCounts(metrics, sources.counts.letters)
  metrics.gauge({
    name: 'projection_row_cache_bytes',
    help: 'About what the rows that are kept in memory take, of all partitions.',
    labelNames: [],
    collect() {
      this.set(sources.counts.rowCacheBytes())
    },
  })
  const gauge = (name: string, help: string) =>
    metrics.gauge({ name, help, labelNames: [...PARTITION_LABELS] })
  const ofRebuild = (name: string, help: string) =>
    metrics.gauge({ name: `projection_rebuild_${name}`, help, labelNames: [...LABELS] })
  return {
    standby: metrics.gauge({
      name: 'projector_standby',
      help: '1 while the process stands by: another one of its name works.',
    }),
    rebuildDone: ofRebuild('records_done', 'Done of the phase that a rebuild here is in.'),
    rebuildTotal: ofRebuild('records_total', 'Records, rows or blocks of that phase.'),
    rebuildRatio: ofRebuild('progress_ratio', 'The one as a share of the other.'),
    rebuildEta: ofRebuild('eta_seconds', 'What the rest of the phase takes at its speed.'),
    lastAdvance: gauge('projection_last_advance_timestamp_seconds', 'Last commit of a batch.'),
    heartbeat: gauge('projection_heartbeat_timestamp_seconds', 'Last fetch, records or not.'),
    ...defineParkedKeys(metrics, sources),
    consumed: metrics.counter({
      name: 'messaging_client_consumed_messages_total',
      help: 'Records that were fetched.',
      labelNames: [...MESSAGING_LABELS],
    }),
    operation: metrics.histogram({
      name: 'messaging_client_operation_duration_seconds',
      help: 'Time of a fetch, with its wait for records.',
      labelNames: [...MESSAGING_LABELS, 'messaging_operation_name'],
      buckets: FETCH_BUCKETS,
    }),
    process: metrics.tracedHistogram({
      name: 'messaging_process_duration_seconds',
      help: 'As projection_apply_duration_seconds, as OpenTelemetry calls it.',
      labelNames: [...MESSAGING_LABELS],
      buckets: APPLY_BUCKETS,
    }),
    events: metrics.counter({
      name: 'projection_events_total',
      help: 'Records by what became of them.',
      labelNames: [...LABELS, 'result'],
    }),
    errors: metrics.counter({
      name: 'projection_errors_total',
      help: 'Failures of events, batches and reads, by whose fault they are.',
      labelNames: [...LABELS, 'error_class'],
    }),
    fenced: metrics.counter({
      name: 'projection_fenced_total',
      help: 'Batches that were refused since another worker has the partition.',
      labelNames: [...LABELS],
    }),
    cachedRows: metrics.counter({
      name: 'projection_row_cache_rows_total',
      help: 'Rows of batches: from memory (hit), read from the table (miss), or read as keeping rows does not pay (off).',
      labelNames: [...LABELS, 'result'],
    }),
    staleRows: metrics.counter({
      name: 'projection_row_cache_stale_total',
      help: 'Batches that were done again, as somebody else had changed a row that was kept in memory.',
      labelNames: [...LABELS],
    }),
    deadLetters: metrics.counter({
      name: 'dlq_records_total',
      help: 'Records set aside: by the stage that failed, or blocked behind one that did.',
      labelNames: ['source_topic', 'reason'],
    }),
    replayed: metrics.counter({
      name: 'dlq_replayed_total',
      help: 'Letters that a replay applied, and those that failed again.',
      labelNames: [...LABELS, 'result'],
    }),
    retried: metrics.counter({
      name: 'dlq_retried_total',
      help: 'Letters that were applied as the time of their key had come, and those that failed again.',
      labelNames: [...LABELS, 'result'],
    }),
    applyDuration: metrics.tracedHistogram({
      name: 'projection_apply_duration_seconds',
      help: 'Time of a batch from its beginning to its commit.',
      labelNames: [...LABELS],
      buckets: APPLY_BUCKETS,
    }),
    batchSize: metrics.histogram({
      name: 'projection_batch_size',
      help: 'Records applied by one transaction.',
      labelNames: [...LABELS],
      buckets: BATCH_SIZE_BUCKETS,
    }),
  }
}

/** A version that is filled has no partitions: its series has none in its labels. */
function defineStates(
  metrics: Metrics,
  of: {
    readonly positions: ReadonlyMap<string, Position>
    readonly rebuilding: ReadonlyMap<string, VersionLabels>
    readonly catchingUp: ReadonlySet<string>
  },
): void {
  metrics.gauge({
    name: 'projection_state',
    help: '1 for the state that the partition, or a version that is filled here, is in.',
    labelNames: [...PARTITION_LABELS, 'state'],
    collect() {
      this.reset()
      for (const { labels, worker } of of.positions.values()) {
        if (worker === undefined) continue
        const isBehind = worker === 'running' && of.catchingUp.has(versionText(labels))
        const current = isBehind ? 'catching_up' : worker
        for (const state of STATES) this.set({ ...labels, state }, state === current ? 1 : 0)
      }
      for (const labels of of.rebuilding.values()) {
        this.set({ ...labels, topic: '', partition: '', state: 'rebuilding' }, 1)
      }
    },
  })
}

function versionText({ projection, version }: VersionLabels): string {
  return `${projection} ${version}`
}

/** Read at each scrape: the lag in seconds grows while a partition waits. */
function definePositions(metrics: Metrics, positions: ReadonlyMap<string, Position>): void {
  const gauge = (name: string, help: string, value: (position: Position) => number | undefined) =>
    metrics.gauge({
      name,
      help,
      labelNames: [...PARTITION_LABELS],
      collect() {
        this.reset()
        for (const position of positions.values()) {
          const current = value(position)
          if (current !== undefined) this.set(position.labels, current)
        }
      },
    })
  gauge('projection_position', 'Offset of the next record to apply.', (at) => at.nextOffset)
  gauge('projection_head_position', 'High watermark as last seen.', (at) => at.highWatermark)
  gauge('projection_lag_records', 'Records between the two.', lagRecords)
  gauge('projection_lag_seconds', 'Age of the last applied record; 0 at the head.', (at) => {
    const lag = lagRecords(at)
    if (lag === undefined || lag === 0 || at.eventTimeMs === null) return lag === 0 ? 0 : undefined
    return Math.max(0, Date.now() - at.eventTimeMs) / 1000
  })
}

/** Of the partitions that this process has: keys are parked and released by others, too. */
function defineParkedKeys(metrics: Metrics, { positions, counts }: Sources) {
  const shared = oncePerScrape(counts.parkedKeys)
  const gauge = (name: string, help: string, value: (count: ParkedKeyCount) => number) =>
    metrics.gauge({
      name,
      help,
      labelNames: [...PARTITION_LABELS],
      async collect() {
        const stored = await shared().catch(() => undefined)
        if (stored === undefined) return
        const keys = new Map(
          stored.map((count) => {
            const { topic, partition } = count
            const labels = { ...labelsOf(count), topic, partition: String(partition) }
            return [placeText(labels), value(count)]
          }),
        )
        this.reset()
        for (const [place, { labels }] of positions) this.set(labels, keys.get(place) ?? 0)
      },
    })
  return {
    parkedKeys: gauge(
      'projection_parked_keys',
      'Keys whose events are set aside.',
      ({ keys }) => keys,
    ),
    retryingKeys: gauge(
      'projection_retrying_keys',
      'Those of them that are tried again by themselves; the others wait for somebody.',
      ({ retryingKeys }) => retryingKeys,
    ),
  }
}

function placeText(labels: PartitionLabels): string {
  return PARTITION_LABELS.map((name) => labels[name]).join(' ')
}

function lagRecords({ nextOffset, highWatermark }: Position): number | undefined {
  if (nextOffset === undefined || highWatermark === undefined) return undefined
  return Math.max(0, highWatermark - nextOffset)
}

function defineLetterCounts(
  metrics: Metrics,
  countLetters: () => Promise<readonly LetterCount[]>,
): void {
  const gauge = <Label extends string>(options: {
    readonly name: string
    readonly help: string
    readonly labelNames: readonly Label[]
    readonly labels: (count: LetterCount) => Readonly<Record<Label, string>>
    readonly combine: (current: number, count: LetterCount) => number
  }) =>
    metrics.gauge({
      name: options.name,
      help: options.help,
      labelNames: [...options.labelNames],
      async collect() {
        // A database that is down must not take all other metrics with it.
        const counts = await shared().catch(() => undefined)
        if (counts === undefined) return
        this.reset()
        const values = new Map<string, number>()
        for (const count of counts) {
          const series = JSON.stringify(options.labels(count))
          const value = options.combine(values.get(series) ?? 0, count)
          values.set(series, value)
          this.set(options.labels(count), value)
        }
      },
    })
  const sum = (current: number, { depth }: LetterCount) => current + depth
  const oldest = (current: number, count: LetterCount) => Math.max(current, count.oldestAgeSeconds)
  const shared = oncePerScrape(countLetters)
  gauge({
    name: 'dlq_depth',
    help: 'Letters of the topic, of all projections.',
    labelNames: ['topic'],
    labels: ({ topic }) => ({ topic }),
    combine: sum,
  })
  gauge({
    name: 'dlq_oldest_age_seconds',
    help: 'Age of the oldest of them.',
    labelNames: ['topic'],
    labels: ({ topic }) => ({ topic }),
    combine: oldest,
  })
  gauge({
    name: 'projection_dead_letters',
    help: 'Letters by kind and class of the error; those that are blocked have none.',
    labelNames: [...LABELS, 'kind', 'error_class'],
    labels: (count) => ({
      ...labelsOf(count),
      kind: count.kind,
      error_class: count.errorClass ?? '',
    }),
    combine: sum,
  })
  gauge({
    name: 'projection_oldest_parked_age_seconds',
    help: 'Age of the oldest letter of the projection.',
    labelNames: [...LABELS],
    labels: labelsOf,
    combine: oldest,
  })
}

function labelsOf({ projection, version }: Pick<LetterCount, 'projection' | 'version'>) {
  return { projection, version: String(version) }
}

/** One query for all gauges of a scrape: they are collected at once. */
function oncePerScrape<T>(read: () => Promise<T>): () => Promise<T> {
  let reading: Promise<T> | undefined
  return () => {
    reading ??= read().finally(() => {
      reading = undefined
    })
    return reading
  }
}
