import type { Projection } from '@fairlead/projection'
import type { Metrics } from '@fairlead/service'
import type { CommittedBatch, WorkerObserver, WorkerState } from './partition-worker.ts'

/** Seconds; a batch of 2 000 events takes about 50 ms. */
const APPLY_BUCKETS = [0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]
const BATCH_SIZE_BUCKETS = [1, 5, 10, 50, 100, 500, 1_000, 2_000, 5_000, 10_000]

const STATES = ['running', 'paused', 'stopped'] as const satisfies readonly WorkerState['kind'][]
const PARTITION_LABELS = ['projection', 'version', 'partition'] as const
const LABELS = ['projection', 'version'] as const

/** The projector's metrics; names are stable, and part of its interface. */
export class ProjectorMetrics {
  readonly #metrics: ReturnType<typeof defineMetrics>

  constructor(metrics: Metrics) {
    this.#metrics = defineMetrics(metrics)
  }

  /** What one partition reports. */
  observer(projection: Projection, partition: number): Omit<WorkerObserver, 'crashed'> {
    const metrics = this.#metrics
    const labels = { projection: projection.name, version: String(projection.version) }
    const partitionLabels = { ...labels, partition: String(partition) }
    let headPosition: number | undefined
    return {
      state: (state) => {
        for (const name of STATES) {
          metrics.state.set({ ...partitionLabels, state: name }, state.kind === name ? 1 : 0)
        }
      },
      failed: ({ failureClass }) => {
        metrics.errors.inc({ ...labels, error_class: failureClass })
        if (failureClass === 'fenced') metrics.fenced.inc(labels)
      },
      fetched: ({ highWatermark }) => {
        headPosition = highWatermark
        metrics.headPosition.set(partitionLabels, highWatermark)
        metrics.heartbeat.set(partitionLabels, Date.now() / 1000)
      },
      committed: (batch) => {
        const { nextOffset, eventTimeMs } = batch.admitted.to
        const lagRecords = Math.max(0, (headPosition ?? nextOffset) - nextOffset)
        const behindMs = lagRecords === 0 || eventTimeMs === null ? 0 : Date.now() - eventTimeMs
        metrics.position.set(partitionLabels, nextOffset)
        metrics.lagRecords.set(partitionLabels, lagRecords)
        metrics.lagSeconds.set(partitionLabels, Math.max(0, behindMs) / 1000)
        metrics.lastAdvance.set(partitionLabels, Date.now() / 1000)
        metrics.parkedKeys.set(partitionLabels, batch.parkedKeyCount)
        metrics.applyDuration.observe(labels, batch.durationMs / 1000)
        metrics.batchSize.observe(labels, batch.admitted.records.length)
        this.#count(projection, batch)
      },
    }
  }

  /** A partition that another process has reports nothing here. */
  forget(projection: Projection, partition: number): void {
    const labels = {
      projection: projection.name,
      version: String(projection.version),
      partition: String(partition),
    }
    const { position, headPosition, lagRecords, lagSeconds, lastAdvance, heartbeat, parkedKeys } =
      this.#metrics
    const gauges = [
      position,
      headPosition,
      lagRecords,
      lagSeconds,
      lastAdvance,
      heartbeat,
      parkedKeys,
    ]
    for (const gauge of gauges) gauge.remove(labels)
    for (const state of STATES) this.#metrics.state.remove({ ...labels, state })
  }

  #count(projection: Projection, { admitted, ledger }: CommittedBatch): void {
    const { events, deadLetters } = this.#metrics
    const labels = { projection: projection.name, version: String(projection.version) }
    events.inc({ ...labels, result: 'applied' }, ledger.appliedCount)
    events.inc({ ...labels, result: 'skipped' }, ledger.skippedCount + admitted.ignoredCount)
    events.inc({ ...labels, result: 'duplicate' }, admitted.duplicateCount)
    events.inc({ ...labels, result: 'dlq' }, ledger.letters.length)
    for (const { cause } of ledger.letters) {
      const reason = cause.kind === 'blocked' ? 'blocked' : cause.stage
      deadLetters.inc({ source_topic: projection.events.topic, reason })
    }
  }
}

function defineMetrics(metrics: Metrics) {
  const gauge = (name: string, help: string) =>
    metrics.gauge({ name, help, labelNames: [...PARTITION_LABELS] })
  return {
    position: gauge('projection_position', 'Offset of the next record to apply.'),
    headPosition: gauge('projection_head_position', 'High watermark of the partition.'),
    lagRecords: gauge('projection_lag_records', 'Records between the two.'),
    lagSeconds: gauge('projection_lag_seconds', 'Age of the last applied record; 0 at the head.'),
    lastAdvance: gauge('projection_last_advance_timestamp_seconds', 'Last commit of a batch.'),
    heartbeat: gauge('projection_heartbeat_timestamp_seconds', 'Last fetch, records or not.'),
    parkedKeys: gauge('projection_parked_keys', 'Keys whose events are set aside.'),
    state: metrics.gauge({
      name: 'projection_state',
      help: '1 for the state that the partition is in.',
      labelNames: [...PARTITION_LABELS, 'state'],
    }),
    events: metrics.counter({
      name: 'projection_events_total',
      help: 'Records by what became of them.',
      labelNames: [...LABELS, 'result'],
    }),
    errors: metrics.counter({
      name: 'projection_errors_total',
      help: 'Failures of batches and reads, by whose fault they are.',
      labelNames: [...LABELS, 'error_class'],
    }),
    fenced: metrics.counter({
      name: 'projection_fenced_total',
      help: 'Batches that were refused since another worker has the partition.',
      labelNames: [...LABELS],
    }),
    deadLetters: metrics.counter({
      name: 'dlq_records_total',
      help: 'Records set aside: by the stage that failed, or blocked behind one that did.',
      labelNames: ['source_topic', 'reason'],
    }),
    applyDuration: metrics.histogram({
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
