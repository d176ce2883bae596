import type { WalForecast, WalLevel } from '@fairlead/cdc'
import type { Metrics } from '@fairlead/service'
import type { RelayState } from './relay-state.ts'
import type { ClockOffset } from './watch/clock-offset.ts'
import type { SlotObservation } from './watch/observe-slot.ts'

const STATES: readonly RelayState[] = [
  'starting',
  'standby',
  'streaming',
  'backpressure',
  'reconnecting',
  'completed',
  'halted',
  'stopped',
]
const WAL_LEVELS: readonly WalLevel[] = ['ok', 'warning', 'critical', 'exhausted', 'lost']
const WAL_STATUSES = ['reserved', 'extended', 'unreserved', 'lost']
const LAG_BUCKETS_SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300]
const STAGE_BUCKETS_SECONDS = [0.0005, 0.001, 0.0025, ...LAG_BUCKETS_SECONDS]
const ROW_BUCKETS = [1, 2, 5, 10, 100, 1_000, 10_000, 100_000, 1_000_000]

/** The relay's metrics: its own, and those of Debezium's dashboards that have a meaning here. */
export class RelayMetrics {
  readonly #state
  readonly #up
  readonly #events
  readonly #eventLag
  readonly #received
  readonly #encoded
  readonly #acknowledged
  readonly #heartbeatRoundTrip
  readonly #heartbeatSeenAt
  readonly #clockOffset
  readonly #clockOffsetError
  readonly #transactionRows
  readonly #parked
  readonly #parkedKeys
  readonly #settled
  readonly #partitions
  readonly #partitionsAhead
  readonly #partitionsWaiting
  readonly #partitionsDropped
  readonly #rowsDeleted
  readonly #cleaningFailures
  readonly #snapshotRunning
  readonly #snapshotRows
  readonly #chunksSpoilt
  readonly #restarts
  readonly #recoveries
  readonly #lagBytes
  readonly #lagSeconds
  readonly #slotActive
  readonly #slotRetained
  readonly #slotSafe
  readonly #timeline
  readonly #walStatus
  readonly #walLevel
  readonly #walLimit
  readonly #walUsed
  readonly #walEta
  readonly #receivedLsn
  readonly #confirmedLsn
  readonly #queueBytes
  readonly #connected
  readonly #behind
  readonly #seen
  #transactionCount = 0
  #lastLagMs = 0

  constructor(metrics: Metrics) {
    const gauge = (name: string, help: string) => metrics.gauge({ name, help })
    /** Not there until it is set: a gauge says 0 by itself, and an alert would believe it. */
    const absentGauge = (name: string, help: string) => {
      const made = gauge(name, help)
      made.remove()
      return made
    }
    this.#up = gauge('outbox_relay_up', '1 while the relay reads its slot.')
    this.#state = metrics.gauge({
      name: 'outbox_relay_state',
      help: '1 for the state that the relay is in.',
      labelNames: ['state'],
    })
    this.#events = metrics.counter({
      name: 'outbox_relay_events_total',
      help: 'Events by what became of them.',
      labelNames: ['topic', 'result'],
    })
    this.#eventLag = metrics.plainHistogram({
      name: 'outbox_relay_event_lag_seconds',
      help: 'From the commit of an event to its acknowledgement.',
      buckets: LAG_BUCKETS_SECONDS,
    })
    const stage = (name: string, help: string) =>
      metrics.plainHistogram({
        name: `outbox_relay_stage_${name}_seconds`,
        help,
        buckets: STAGE_BUCKETS_SECONDS,
      })
    this.#received = stage(
      'received',
      'From the commit of a transaction to its first row here, by two clocks: see outbox_relay_clock_offset_seconds.',
    )
    this.#encoded = stage(
      'encoded',
      'From an event that is here to the hand-over of its batch to the producer: routed, waited, encoded.',
    )
    this.#acknowledged = stage(
      'acknowledged',
      'From the hand-over of an event to its acknowledgement by the brokers.',
    )
    this.#heartbeatRoundTrip = absentGauge(
      'outbox_relay_heartbeat_rtt_seconds',
      'From writing the last heartbeat that came back to reading it from the log.',
    )
    this.#heartbeatSeenAt = absentGauge(
      'outbox_relay_heartbeat_timestamp_seconds',
      'When the last heartbeat came back through the log, in seconds since the epoch.',
    )
    this.#clockOffset = absentGauge(
      'outbox_relay_clock_offset_seconds',
      "By how much the clock of Postgres is ahead of the relay's.",
    )
    this.#clockOffsetError = absentGauge(
      'outbox_relay_clock_offset_error_seconds',
      'How far off that may be: half of the round trip in which it was asked.',
    )
    this.#transactionRows = metrics.plainHistogram({
      name: 'outbox_relay_transaction_size_rows',
      help: 'Events per transaction.',
      buckets: ROW_BUCKETS,
    })
    this.#parked = metrics.counter({
      name: 'relay_dlq_total',
      help: 'Events set aside in relay.parked_event, by reason.',
      labelNames: ['reason'],
    })
    this.#parkedKeys = gauge('relay_parked_keys', 'Aggregates that are held back.')
    this.#settled = metrics.counter({
      name: 'relay_dlq_settled_total',
      help: 'Parked events by what became of them: replayed or discarded.',
      labelNames: ['result'],
    })
    const labelNames = ['table']
    const tableGauge = (name: string, help: string) => metrics.gauge({ name, help, labelNames })
    const tableCounter = (name: string, help: string) => metrics.counter({ name, help, labelNames })
    this.#partitions = tableGauge('relay_outbox_partitions', 'Partitions of an outbox table.')
    this.#partitionsAhead = tableGauge(
      'relay_outbox_partitions_ahead',
      'Intervals from now on that have a partition. Below 2 inserts are about to fail.',
    )
    this.#partitionsWaiting = tableGauge(
      'relay_outbox_partitions_waiting',
      'Partitions that are older than the retention, and not confirmed by every slot.',
    )
    this.#partitionsDropped = tableCounter('relay_outbox_partitions_dropped_total', 'Dropped.')
    this.#rowsDeleted = tableCounter('relay_outbox_rows_deleted_total', 'Old rows deleted.')
    this.#cleaningFailures = tableCounter(
      'relay_outbox_cleaning_failures_total',
      'Rounds that could not clean a table.',
    )
    this.#snapshotRunning = gauge('relay_snapshot_running', '1 while a snapshot is under way.')
    this.#snapshotRows = metrics.counter({
      name: 'relay_snapshot_rows_total',
      help: 'Rows that snapshots have published.',
    })
    this.#chunksSpoilt = metrics.counter({
      name: 'relay_snapshot_chunks_reread_total',
      help: 'Chunks that were read anew, since a commit was not visible in time.',
    })
    this.#restarts = metrics.counter({
      name: 'outbox_relay_restarts_total',
      help: 'Sessions that ended, by reason.',
      labelNames: ['reason'],
    })
    this.#recoveries = metrics.counter({
      name: 'relay_slot_recoveries_total',
      help: 'Slots made anew, and filled up from the tables, by snapshot.mode=when_needed.',
      labelNames: ['code'],
    })
    this.#lagBytes = gauge('outbox_relay_source_lag_bytes', 'WAL not confirmed yet.')
    this.#lagSeconds = gauge(
      'outbox_relay_source_lag_seconds',
      'Age of the commit of the last event that became durable; 0 when nothing is pending.',
    )
    this.#slotActive = gauge('outbox_relay_slot_active', '1 while somebody reads the slot.')
    this.#slotRetained = gauge('outbox_relay_slot_retained_bytes', 'WAL kept for the slot.')
    this.#slotSafe = absentGauge(
      'outbox_relay_slot_safe_wal_bytes',
      'WAL that may be written before the slot is in danger; absent without a limit.',
    )
    this.#timeline = absentGauge(
      'outbox_relay_timeline',
      'Of the server that the slot is on: it grows when a standby is promoted.',
    )
    this.#walStatus = metrics.gauge({
      name: 'outbox_relay_slot_wal_status',
      help: '1 for the wal_status that Postgres gives the slot.',
      labelNames: ['wal_status'],
    })
    this.#walLevel = metrics.gauge({
      name: 'outbox_relay_wal_level',
      help: '1 for the level of the WAL that the slot keeps back.',
      labelNames: ['level'],
    })
    this.#walLimit = absentGauge(
      'outbox_relay_wal_limit_bytes',
      'WAL that the slot may keep back; absent without a limit.',
    )
    this.#walUsed = absentGauge(
      'outbox_relay_wal_used_ratio',
      'Of that limit; absent without a limit.',
    )
    this.#walEta = absentGauge(
      'outbox_relay_wal_eta_seconds',
      'Until that limit at the growth of the last minutes; +Inf when it does not grow.',
    )
    this.#receivedLsn = gauge('outbox_relay_last_received_lsn', 'LSN as a number.')
    this.#confirmedLsn = gauge('outbox_relay_last_confirmed_lsn', 'LSN as a number.')
    this.#queueBytes = gauge('outbox_relay_queue_bytes', 'Events in memory.')
    this.#connected = gauge('debezium_metrics_Connected', 'As in Debezium.')
    this.#behind = gauge('debezium_metrics_MilliSecondsBehindSource', 'As in Debezium.')
    this.#seen = gauge('debezium_metrics_TotalNumberOfEventsSeen', 'As in Debezium.')
    const transactionCount = () => this.#transactionCount
    metrics.gauge({
      name: 'debezium_metrics_NumberOfCommittedTransactions',
      help: 'As in Debezium.',
      collect() {
        this.set(transactionCount())
      },
    })
  }

  stateChanged(current: RelayState): void {
    for (const state of STATES) this.#state.set({ state }, state === current ? 1 : 0)
    const isUp = current === 'streaming' ? 1 : 0
    this.#up.set(isUp)
    this.#connected.set(isUp)
  }

  eventsDone(
    topic: string,
    result: 'published' | 'duplicate' | 'parked' | 'dropped',
    count: number,
  ): void {
    this.#events.inc({ topic, result }, count)
    this.#seen.inc(count)
  }

  /** Of so many events that became durable just now. */
  eventLag(lagMs: number, count: number): void {
    this.#eventLag.add(lagMs / 1000, count)
    this.#lastLagMs = lagMs
  }

  /** A transaction has begun to arrive. */
  transactionBegun(sinceCommitMs: number): void {
    this.#received.add(Math.max(0, sinceCommitMs) / 1000)
  }

  eventsEncoded(durationMs: number, count: number): void {
    this.#encoded.add(durationMs / 1000, count)
  }

  eventsAcknowledged(durationMs: number, count: number): void {
    this.#acknowledged.add(durationMs / 1000, count)
  }

  heartbeatSeen(heartbeat: { readonly roundTripMs: number; readonly seenAtMs: number }): void {
    this.#heartbeatRoundTrip.set(heartbeat.roundTripMs / 1000)
    this.#heartbeatSeenAt.set(heartbeat.seenAtMs / 1000)
  }

  clockMeasured({ offsetMs, errorMs }: ClockOffset): void {
    this.#clockOffset.set(offsetMs / 1000)
    this.#clockOffsetError.set(errorMs / 1000)
  }

  nothingPending(): void {
    this.#lastLagMs = 0
  }

  transactionReceived(rowCount: number): void {
    this.#transactionRows.add(rowCount)
    this.#transactionCount += 1
  }

  parked(reason: string): void {
    this.#parked.inc({ reason })
  }

  settled(result: 'replayed' | 'discarded', eventCount: number): void {
    this.#settled.inc({ result }, eventCount)
  }

  parkedKeys(keyCount: number): void {
    this.#parkedKeys.set(keyCount)
  }

  snapshotRunning(isRunning: boolean): void {
    this.#snapshotRunning.set(isRunning ? 1 : 0)
  }

  snapshotRows(rowCount: number): void {
    this.#snapshotRows.inc(rowCount)
  }

  chunkSpoilt(): void {
    this.#chunksSpoilt.inc()
  }

  partitionsCounted(
    table: string,
    count: { readonly partitionCount: number; readonly intervalsAhead: number },
  ): void {
    this.#partitions.set({ table }, count.partitionCount)
    this.#partitionsAhead.set({ table }, count.intervalsAhead)
  }

  partitionsRotated(
    table: string,
    count: { readonly dropped: number; readonly waiting: number },
  ): void {
    this.#partitionsDropped.inc({ table }, count.dropped)
    this.#partitionsWaiting.set({ table }, count.waiting)
  }

  rowsDeleted(table: string, rowCount: number): void {
    this.#rowsDeleted.inc({ table }, rowCount)
  }

  cleaningFailed(table: string): void {
    this.#cleaningFailures.inc({ table })
  }

  sessionEnded(reason: string): void {
    this.#restarts.inc({ reason })
  }

  /** `code` is that of the loss. */
  slotRecovered(code: string): void {
    this.#recoveries.inc({ code })
  }

  positions(position: {
    readonly receivedLsn: bigint
    readonly confirmedLsn: bigint
    readonly queueBytes: number
  }): void {
    this.#receivedLsn.set(Number(position.receivedLsn))
    this.#confirmedLsn.set(Number(position.confirmedLsn))
    this.#queueBytes.set(position.queueBytes)
    this.#lagSeconds.set(this.#lastLagMs / 1000)
    this.#behind.set(this.#lastLagMs)
  }

  timeline(timeline: number): void {
    this.#timeline.set(timeline)
  }

  slotObserved(slot: SlotObservation, forecast: WalForecast): void {
    this.#lagBytes.set(slot.lagBytes)
    this.#slotRetained.set(slot.retainedBytes)
    this.#slotActive.set(slot.isActive ? 1 : 0)
    setIfKnown(this.#slotSafe, slot.safeWalBytes)
    for (const status of WAL_STATUSES) {
      this.#walStatus.set({ wal_status: status }, status === slot.walStatus ? 1 : 0)
    }
    for (const level of WAL_LEVELS) this.#walLevel.set({ level }, level === forecast.level ? 1 : 0)
    this.#walEta.set(forecast.etaSeconds ?? Number.POSITIVE_INFINITY)
    setIfKnown(this.#walLimit, forecast.limitBytes)
    setIfKnown(this.#walUsed, forecast.usedRatio)
  }
}

/** The last value of a limit that was taken away since would be believed. */
function setIfKnown(gauge: ReturnType<Metrics['gauge']>, value: number | null): void {
  if (value === null) gauge.remove()
  else gauge.set(value)
}
