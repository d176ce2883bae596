import { OperationalError } from '@fairlead/base'
import { type Admitted, type FloodBreaker, admit } from '@fairlead/projection'
import { type BatchMode, applyBatch } from './apply-batch.ts'
import { BatchSize } from './batch-size.ts'
import { EffectsGivenUp } from './effects.ts'
import { HeldPartition } from './held-partition.ts'
import { LetterDrain } from './letter-drain.ts'
import { type Batch, type BatchEnd, BatchSource } from './log/batch-source.ts'
import { LookUps } from './look-ups.ts'
import type { EventLog, Fetched, Membership } from './log/event-log.ts'
import type { RecordReader } from './log/prepare-records.ts'
import type { PartitionSpans } from './partition-spans.ts'
import { pauseFor } from './pause.ts'
import type { PauseGate } from './pause-gate.ts'
import { type Portion, Portions } from './portions.ts'
import { Recovery } from './recovery.ts'
import type { ReplayOrders } from './replay-orders.ts'
import { StopRequired, explainNewTopic } from './stop-reasons.ts'
import type { RowCache, RowCaches } from './row-cache.ts'
import type { Database } from './store/database.ts'
import type { LetterMirror } from './store/mirror-letters.ts'
import { ParkLimitError } from './store/park-limits.ts'
import type { ProjectionPartition } from './store/registered-projection.ts'
import type { WorkerObserver } from './worker-observer.ts'
import { WorkerTroubles } from './worker-troubles.ts'

/** How often a worker without records looks whether the database has lost commits: none fails meanwhile. */
const IDLE_LOOK_INTERVAL_MS = 10_000

/** For the effects of a batch that was in flight; others get the partition soon after. */
const EFFECTS_GRACE_MS = 3_000

export type WorkerOptions = {
  readonly db: Database
  readonly log: Omit<EventLog, 'join' | 'close'>
  readonly membership: Pick<Membership, 'fetch'>
  readonly reader: RecordReader
  readonly gate: PauseGate
  readonly partition: ProjectionPartition
  readonly breaker: FloodBreaker
  readonly mirror: LetterMirror | undefined
  readonly rowCaches: RowCaches
  readonly replayOrders: ReplayOrders
  readonly batchRecordsMax: number
  readonly fetchBytesMax: number
  readonly nowMs: () => number
  readonly observer: WorkerObserver
  readonly spans: PartitionSpans
}

/**
 * Applies one partition to one projection, from assignment to revocation: one batch at a time, while
 * the next one is fetched and decoded, where the log has it already.
 *
 * What is true in the database is never guessed: after every failed transaction, one whose outcome is
 * unknown included, the checkpoint is read again, and the batch is admitted against it anew. A commit
 * that did happen then leaves nothing of the batch. A database that has lost commits, as a standby may
 * that was promoted, or one that was restored, stands below the batch: what is between is fetched again.
 */
export class PartitionWorker {
  readonly #options: WorkerOptions
  readonly #abort = new AbortController()
  readonly #effectsAbort = new AbortController()
  readonly #batchSize: BatchSize
  readonly #troubles: WorkerTroubles
  readonly #held: HeldPartition
  readonly #recovery: Recovery
  readonly #portions: Portions
  readonly #drain: LetterDrain
  readonly #lookUps: LookUps
  readonly #rowCache: RowCache | undefined
  readonly #done: Promise<void>
  #stopped: Promise<void> | undefined

  constructor(options: WorkerOptions) {
    const { batchRecordsMax, fetchBytesMax, observer, partition } = options
    const { signal } = this.#abort
    this.#options = options
    this.#batchSize = new BatchSize({
      recordsMax: batchRecordsMax,
      projectionRecordsMax: partition.projection.batchMax,
      fetchBytesMax,
    })
    this.#troubles = new WorkerTroubles((state) => observer.state(state))
    this.#held = new HeldPartition({ ...options, signal })
    this.#lookUps = new LookUps(partition.projection, signal)
    const parts = {
      ...options,
      signal,
      effectsSignal: this.#effectsAbort.signal,
      batchSize: this.#batchSize,
      troubles: this.#troubles,
      held: this.#held,
    }
    this.#recovery = new Recovery(parts)
    this.#portions = new Portions({ ...parts, recovery: this.#recovery })
    this.#drain = new LetterDrain({ ...parts, recovery: this.#recovery, portions: this.#portions })
    this.#rowCache = openRowCache(options)
    options.gate.watch(() => this.#tellGate(), signal)
    this.#done = this.#run()
  }

  /** Offset of the next record to apply, as last committed; undefined before the take-over. */
  get nextOffset(): number | undefined {
    return this.#held.nextOffset
  }

  /** Finishes the transaction in flight, and its effects while they take no longer than others wait for. */
  stop({ isLost }: { readonly isLost: boolean }): Promise<void> {
    if (isLost) this.#giveUpEffects()
    this.#stopped ??= this.#stop()
    return this.#stopped
  }

  #giveUpEffects(): void {
    this.#effectsAbort.abort(new EffectsGivenUp('an effect did not end'))
  }

  async #stop(): Promise<void> {
    this.#abort.abort()
    const timer = setTimeout(() => this.#giveUpEffects(), EFFECTS_GRACE_MS)
    await this.#done
    clearTimeout(timer)
    this.#rowCache?.clear()
    this.#options.observer.released()
  }

  get #isStopping(): boolean {
    return this.#abort.signal.aborted
  }

  async #run(): Promise<void> {
    try {
      while (!this.#isStopping) {
        const isHeld = await this.#takeOver()
        if (isHeld) await this.#consume()
      }
    } catch (error) {
      if (error instanceof StopRequired) this.#troubles.fault(error.message)
      else this.#options.observer.crashed(error)
    }
  }

  /** Waits for a database that is away; false when the worker stops meanwhile. */
  async #takeOver(): Promise<boolean> {
    // Rows of transactions that the database has lost: others may have their ids by now.
    this.#rowCache?.clear()
    const isHeld = await this.#recovery.untilDone('apply', async () => {
      await this.#held.takeOver()
      await this.#portions.begin()
      this.#tellGate()
      return true
    })
    return isHeld ?? false
  }

  #tellGate(): void {
    const { reason } = this.#options.gate
    if (reason === undefined) this.#troubles.settle('gate')
    else this.#troubles.pause('gate', { failureClass: 'operator', reason })
  }

  /** Until the worker stops, or the database is not as the worker knows it: the partition is taken over anew. */
  async #consume(): Promise<void> {
    const source = new BatchSource({
      reader: this.#options.reader,
      fetch: (from, maxWaitMs) => this.#fetch(from, maxWaitMs),
      recordsMax: () => this.#batchSize.recordsMax,
      linger: this.#lingering(),
      from: this.#held.end,
    })
    let fetching = this.#prepareAhead(source)
    let nextLookMs = this.#options.nowMs() + IDLE_LOOK_INTERVAL_MS
    while (!this.#isStopping) {
      if (!(await this.#drain.drainUntil(fetching))) break
      const batch = await fetching
      if (batch === null) break
      const { hasMore } = source
      if (hasMore) fetching = this.#prepareAhead(source)
      const isHeld = await this.#applyAll(batch)
      if (!isHeld) break
      if (batch.records.length === 0 && this.#options.nowMs() >= nextLookMs) {
        if (await this.#hasLostCommits()) break
        nextLookMs = this.#options.nowMs() + IDLE_LOOK_INTERVAL_MS
      }
      // At the end of the log: all that has come in meanwhile is one batch.
      if (!hasMore) fetching = this.#prepareAhead(source)
    }
    // Their results are void: the next take-over says where to begin.
    await fetching
    await source.close()
  }

  async #hasLostCommits(): Promise<boolean> {
    const hasLost = await this.#recovery.untilDone('reload', () => this.#held.hasLostCommits())
    return hasLost ?? false
  }

  /** The next batch; null when the worker stops. */
  #prepareAhead(source: BatchSource): Promise<Batch | null> {
    const preparing = this.#recovery.untilDone('fetch', () => source.next())
    // Whoever awaits it sees the failure; nobody does when applying fails first.
    preparing.catch(() => undefined)
    return preparing
  }

  #lingering(): (() => Promise<void>) | undefined {
    const { lingerMs = 0 } = this.#options.partition.projection
    return lingerMs === 0 ? undefined : () => pauseFor(lingerMs, this.#abort.signal)
  }

  async #fetch({ nextOffset, leaderEpoch }: BatchEnd, maxWaitMs: number): Promise<Fetched> {
    const { partition, observer, spans, nowMs } = this.#options
    const startTime = Date.now()
    const startedMs = nowMs()
    const fetched = await this.#fetchOf({
      topic: partition.topic,
      topicId: this.#held.topicId,
      partition: partition.partition,
      fromOffset: nextOffset,
      lastFetchedEpoch: leaderEpoch,
      maxBytes: this.#batchSize.fetchBytesMax,
      maxWaitMs,
      signal: this.#abort.signal,
    })
    this.#batchSize.fetched(fetched.highWatermark - fetched.nextOffset)
    observer.fetched({
      highWatermark: fetched.highWatermark,
      recordCount: fetched.records.length,
      durationMs: nowMs() - startedMs,
    })
    spans.polled(fetched, startTime)
    return fetched
  }

  /** A topic that is gone is waited for; one that was created in its place is another one. */
  async #fetchOf(request: Parameters<Membership['fetch']>[0]): Promise<Fetched> {
    const { membership, log, partition } = this.#options
    try {
      return await membership.fetch(request)
    } catch (error) {
      if (!(error instanceof OperationalError) || error.code !== 'UNKNOWN_TOPIC_ID') throw error
      const topicId = await log.topicId(partition.topic)
      if (topicId === undefined || topicId === request.topicId) throw error
      throw new StopRequired(explainNewTopic(partition), { cause: error })
    }
  }

  /**
   * Applies a fetch in transactions of bounded size; false when another worker has the partition, or the
   * batch begins above the checkpoint.
   */
  async #applyAll(batch: Batch): Promise<boolean> {
    const { gate } = this.#options
    const tries = this.#recovery.begin()
    while (!this.#isStopping) {
      const from = this.#held.progress
      if (from.nextOffset < batch.startOffset) return false
      if (from.nextOffset >= batch.nextOffset) break
      if (gate.isClosed) {
        // The partition stays this worker's: an operator's pause costs no rebalance.
        await gate.opened(this.#abort.signal)
        continue
      }
      const portion = await this.#portions.next(batch)
      if (portion === null) {
        // The partition that is waited for may itself wait for room in dead letters, which a replay makes here.
        if (!(await this.#drainOnce())) return false
        continue
      }
      try {
        await this.#apply(portion, admit(from, portion), tries.mode)
        tries.succeeded()
      } catch (error) {
        // What was being looked up for the batch is not waited for; nothing of it is applied.
        if (error === this.#abort.signal.reason) break
        // What is done next may write rows without it.
        this.#rowCache?.clear()
        if (!(await tries.failed(error))) return false
        // A replay makes room for what the batch would set aside, and this partition has to carry it out.
        if (error instanceof ParkLimitError && !(await this.#drainOnce())) return false
      }
    }
    this.#troubles.settle('apply')
    return true
  }

  /** One transaction of letters that are due, if any are; false when another worker has the partition. */
  #drainOnce(): Promise<boolean> {
    return this.#drain.drainUntil(Promise.resolve())
  }

  async #apply(portion: Portion, admitted: Admitted, mode: BatchMode): Promise<void> {
    const { db, partition, breaker, mirror, nowMs, observer, spans } = this.#options
    const { leaderEpoch, parkedKeys, hasMovedKeys } = portion
    const startMs = nowMs()
    this.#batchSize.tried(portion.records.length)
    const context = {
      db,
      partition,
      breaker,
      mirror,
      lookUps: this.#lookUps,
      rowCache: this.#rowCache,
      inbox: this.#held.inbox,
      leaderEpoch,
      parkedKeys,
      hasMovedKeys,
      fence: this.#held.fence,
      attempts: this.#recovery.attempts,
      nowMs: startMs,
      codeFailed: (error: unknown) => observer.failed({ error, failureClass: 'code' }),
      effectsSignal: this.#effectsAbort.signal,
      tenantFlooded: (error: unknown) => observer.failed({ error, failureClass: 'flood' }),
    }
    const { applied: ledger, trace } = await spans.process(admitted, () =>
      applyBatch(context, admitted, mode),
    )
    const tookMs = nowMs() - startMs
    this.#batchSize.committed({ tookMs })
    this.#recovery.committed()
    this.#held.committed({ to: admitted.to, leaderEpoch, parkedKeys: ledger.parkedKeys })
    observer.committed({ admitted, ledger, trace, durationMs: tookMs })
  }
}

/**
 * Rows that other partitions may write, too, would be stale most of the time. Those of tenants that are kept apart
 * are in several tables, or seen by one tenant only.
 */
function openRowCache({ partition, rowCaches, observer }: WorkerOptions): RowCache | undefined {
  const { projection } = partition
  if (projection.kind !== 'fold' || projection.mayShareRows) return undefined
  if (projection.tenants !== undefined) return undefined
  return rowCaches.open(projection.table, observer.rowCache)
}
