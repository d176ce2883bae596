import {
  InvariantViolation,
  OperationalError,
  assertNever,
  errorMessage,
  invariant,
} from '@fairlead/base'
import {
  type Admitted,
  Attempts,
  type BatchLedger,
  EventFailure,
  type FailureClass,
  type FloodBreaker,
  INFRA_BACKOFF,
  type PreparedRecord,
  type Progress,
  type Projection,
  admit,
  classifyFailure,
  decideBatchFailure,
} from '@fairlead/projection'
import { BatchSize } from './batch-size.ts'
import { type BatchMode, BlameNeeded, FloodError, applyBatch } from './apply-batch.ts'
import { DrainPace } from './drain-pace.ts'
import { type Drained, drainLetters } from './drain-letters.ts'
import { type Batch, type BatchEnd, BatchSource } from './log/batch-source.ts'
import type { EventLog, Fetched, Membership } from './log/event-log.ts'
import type { RecordReader } from './log/prepare-records.ts'
import { MovedKeys } from './moved-keys.ts'
import { ParkedKeys } from './parked-keys.ts'
import type { PauseGate } from './pause-gate.ts'
import { pause, pauseFor } from './pause.ts'
import { type HeldCheckpoint, readCheckpoint, takeOver } from './store/checkpoints.ts'
import type { Database } from './store/database.ts'
import { type LetterQueue, readDueLetters } from './store/letter-queue.ts'
import type { LetterMirror } from './store/mirror-letters.ts'
import { StaleKeysError } from './store/park-letters.ts'
import type { ProjectionPartition } from './store/registered-projection.ts'

/** How long a fetch waits for a record; a revoked partition waits for it at most. */
const FETCH_WAIT_MAX_MS = 500

/** Of a partition of which nothing was applied yet. */
const NO_EPOCH = -1

/** How often a worker with parked keys looks whether somebody wants them replayed. */
const DRAIN_POLL_MS = 200

/** Waits for the world to change; goes on by itself. */
type PausedState = {
  readonly kind: 'paused'
  readonly failureClass: FailureClass | 'flood' | 'operator' | 'order'
  readonly reason: string
}

/**
 * What a worker can be in trouble with. Reading the checkpoint again is apart from applying: a full
 * disk lets the one pass, and not the other.
 */
type Activity = 'gate' | 'order' | 'apply' | 'reload' | 'fetch'

export type WorkerState =
  | { readonly kind: 'running' }
  /** Waits for the world to change; goes on by itself. */
  | {
      readonly kind: 'paused'
      readonly failureClass: FailureClass | 'flood' | 'operator' | 'order'
      readonly reason: string
    }
  /** Needs somebody to act, and a restart. */
  | { readonly kind: 'faulted'; readonly reason: string }

export type WorkerOptions = {
  readonly db: Database
  readonly log: Omit<EventLog, 'join' | 'close'>
  readonly membership: Pick<Membership, 'fetch'>
  readonly reader: RecordReader
  readonly gate: PauseGate
  readonly partition: ProjectionPartition
  readonly breaker: FloodBreaker
  readonly mirror: LetterMirror | undefined
  readonly batchRecordsMax: number
  readonly fetchBytesMax: number
  readonly nowMs: () => number
  readonly observer: WorkerObserver
}

/** What a worker tells about itself. Must not throw. */
export interface WorkerObserver {
  state(state: WorkerState): void
  failed(failure: { readonly error: unknown; readonly failureClass: FailureClass | 'flood' }): void
  /** The checkpoint was read or moved. */
  held(progress: Progress): void
  fetched(position: { readonly highWatermark: number }): void
  committed(batch: CommittedBatch): void
  /** Letters were applied again, or failed once more. */
  drained(drained: Drained): void
  /** The worker is done with the partition. */
  released(): void
  /** The worker itself is broken. */
  crashed(error: unknown): void
}

export type CommittedBatch = {
  readonly admitted: Admitted
  readonly ledger: BatchLedger
  readonly durationMs: number
}

/** How soon a worker looks again whether another partition has caught up with a key that came from it. */
const ORDER_POLL_MS = 50

/** Records that are applied in one transaction. */
type Portion = Batch & {
  /** Those of its keys that were parked before, and others. */
  readonly parkedKeys: ReadonlySet<string>
}

/** A reason to give the partition up until somebody acts. */
class StopRequired extends Error {
  override readonly name = 'StopRequired'
}

/**
 * Applies one partition to one projection, from assignment to revocation: one batch at a time, while
 * the next one is fetched and decoded.
 *
 * What is true in the database is never guessed: after every failed transaction, one whose outcome is
 * unknown included, the checkpoint is read again, and the batch is admitted against it anew. A commit
 * that did happen then leaves nothing of the batch.
 */
export class PartitionWorker {
  readonly #options: WorkerOptions
  readonly #abort = new AbortController()
  readonly #done: Promise<void>
  #progress: Progress | undefined
  #movedKeys: MovedKeys | undefined
  #fence = 0n
  #topicId = ''
  #leaderEpoch = NO_EPOCH
  readonly #parkedKeys: ParkedKeys
  readonly #drainPace = new DrainPace()
  /** Orders are looked for from time to time. */
  #nextDrainMs = 0
  #attempts = Attempts.none
  /** Nothing that was still under way says otherwise any more. */
  #isFaulted = false
  readonly #troubles = new Map<Activity, PausedState>()
  readonly #batchSize: BatchSize

  constructor(options: WorkerOptions) {
    this.#options = options
    this.#parkedKeys = new ParkedKeys(options.db, options.partition)
    this.#batchSize = new BatchSize({
      recordsMax: options.batchRecordsMax,
      fetchBytesMax: options.fetchBytesMax,
    })
    options.gate.watch(() => this.#tellGate(), this.#abort.signal)
    this.#done = this.#run()
  }

  /** Offset of the next record to apply, as last committed; undefined before the take-over. */
  get nextOffset(): number | undefined {
    return this.#progress?.nextOffset
  }

  /** Finishes the transaction in flight, and nothing else. */
  async stop(): Promise<void> {
    this.#abort.abort()
    await this.#done
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
      if (error instanceof StopRequired) {
        this.#isFaulted = true
        this.#options.observer.state({ kind: 'faulted', reason: error.message })
      } else {
        this.#options.observer.crashed(error)
      }
    }
  }

  /** Raises the fence and reads where to begin; waits for a database that is away. */
  async #takeOver(): Promise<boolean> {
    const { db, log, partition } = this.#options
    const isHeld = await this.#untilDone('apply', async () => {
      const known = await readCheckpoint(db, partition)
      const { topic } = partition
      const offset = known === undefined ? await log.earliestOffset(topic, partition.partition) : 0
      const topicId = await log.topicId(topic)
      if (topicId === undefined) throw topicAway(topic)
      const held = await takeOver(db, partition, { offset, topicId })
      if (held.topicId !== topicId) throw new StopRequired(explainNewTopic(partition))
      this.#topicId = topicId
      await this.#hold(held)
      this.#movedKeys = await MovedKeys.of({ ...this.#options, wallMs: () => Date.now() })
      this.#tellGate()
      return true
    })
    return isHeld ?? false
  }

  async #hold({ progress, fence, leaderEpoch }: HeldCheckpoint): Promise<void> {
    await this.#parkedKeys.reload()
    this.#progress = progress
    this.#fence = fence
    this.#leaderEpoch = leaderEpoch
    this.#options.observer.held(progress)
  }

  /** Until the worker stops, or loses the fence. */
  async #consume(): Promise<void> {
    const { reader } = this.#options
    const { nextOffset } = this.#heldProgress()
    const source = new BatchSource({
      reader,
      fetch: (from) => this.#fetch(from),
      recordsMax: () => this.#batchSize.recordsMax,
      from: { nextOffset, leaderEpoch: this.#leaderEpoch },
    })
    let fetching = this.#prepareAhead(source)
    while (!this.#isStopping) {
      if (!(await this.#drainUntil(fetching))) break
      const batch = await fetching
      if (batch === null) break
      fetching = this.#prepareAhead(source)
      const isHeld = await this.#applyAll(batch)
      if (!isHeld) break
    }
    // Their results are void: the next take-over says where to begin.
    await fetching
    await source.close()
  }

  /** The next batch; null when the worker stops. */
  #prepareAhead(source: BatchSource): Promise<Batch | null> {
    const preparing = this.#untilDone('fetch', () => source.next())
    // Whoever awaits it sees the failure; nobody does when applying fails first.
    preparing.catch(() => undefined)
    return preparing
  }

  async #fetch({ nextOffset, leaderEpoch }: BatchEnd): Promise<Fetched> {
    const { partition, observer } = this.#options
    const fetched = await this.#fetchOf({
      topic: partition.topic,
      topicId: this.#topicId,
      partition: partition.partition,
      fromOffset: nextOffset,
      lastFetchedEpoch: leaderEpoch,
      maxBytes: this.#batchSize.fetchBytesMax,
      maxWaitMs: FETCH_WAIT_MAX_MS,
      signal: this.#abort.signal,
    })
    this.#batchSize.fetched(fetched.highWatermark - fetched.nextOffset)
    observer.fetched({ highWatermark: fetched.highWatermark })
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

  /** Applies a fetch in transactions of bounded size; false when another worker has the partition. */
  async #applyAll(batch: Batch): Promise<boolean> {
    let mode: BatchMode = 'fast'
    let attempt = 0
    while (!this.#isStopping) {
      const from = this.#heldProgress()
      if (from.nextOffset >= batch.nextOffset) break
      if (this.#options.gate.isClosed) {
        // The partition stays this worker's: an operator's pause costs no rebalance.
        await this.#options.gate.opened(this.#abort.signal)
        continue
      }
      const ordered = await this.#inOrder(this.#portion(batch, from))
      if (ordered === null) continue
      const admitted = admit(from, ordered)
      try {
        await this.#apply(admitted, { ...ordered, mode })
        mode = 'fast'
        attempt = 0
      } catch (error) {
        attempt += 1
        const next = await this.#recover(error, { mode, attempt })
        if (next === 'lost') return false
        mode = next
      }
    }
    this.#settle('apply')
    return true
  }

  /**
   * Applies the letters that somebody wants replayed, until there are records to apply or nothing is
   * due; false when another worker has the partition. A long queue gets one transaction after each
   * batch.
   */
  async #drainUntil(fetching: Promise<unknown>): Promise<boolean> {
    let isFetched = false
    const fetched = () => {
      isFetched = true
    }
    fetching.then(fetched, fetched)
    let mode: BatchMode = 'fast'
    let attempt = 0
    while (this.#isDrainDue && !this.#isStopping) {
      try {
        const { db, partition, nowMs } = this.#options
        const queue = await readDueLetters(db, partition, this.#drainPace.resting(nowMs()))
        if (queue.keys.length === 0) {
          this.#nextDrainMs = nowMs() + DRAIN_POLL_MS
          break
        }
        await this.#drain(queue, mode)
        mode = 'fast'
        attempt = 0
        if (isFetched) break
      } catch (error) {
        attempt += 1
        const next = await this.#recover(error, { mode, attempt })
        if (next === 'lost') return false
        mode = next
      }
    }
    if (attempt > 0) this.#settle('apply')
    return true
  }

  get #isDrainDue(): boolean {
    const { gate, nowMs } = this.#options
    return this.#parkedKeys.mayHoldAny && !gate.isClosed && nowMs() >= this.#nextDrainMs
  }

  async #drain(queue: LetterQueue, mode: BatchMode): Promise<void> {
    const { db, partition, reader, nowMs, observer } = this.#options
    const startMs = nowMs()
    const context = {
      db,
      partition,
      reader,
      fence: this.#fence,
      attempts: this.#attempts,
      codeFailed: (error: unknown) => observer.failed({ error, failureClass: 'code' }),
    }
    const drained = await drainLetters(context, queue, mode)
    this.#parkedKeys.released(drained.unparked)
    this.#attempts = Attempts.none
    this.#drainPace.replayed(queue, { count: drained.replayedCount, startMs })
    this.#settle('apply')
    observer.drained(drained)
  }

  /** The part of a portion that may be applied; null after a wait for another partition. */
  async #inOrder(portion: Batch): Promise<Portion | null> {
    const permitted = await this.#untilDone('reload', () => this.#permitted(portion.records))
    if (permitted === null) return null
    const { count, parkedKeys } = permitted
    if (count > 0 || portion.records.length === 0) this.#settle('order')
    if (count === portion.records.length) return { ...portion, parkedKeys }
    const first = portion.records[count]
    invariant(first !== undefined, 'what may not be applied yet is in the portion')
    if (count > 0) {
      const records = portion.records.slice(0, count)
      return { ...portion, records, nextOffset: first.record.offset, parkedKeys }
    }
    const reason = `the key at offset ${first.record.offset} was in another partition, which has events before it`
    this.#trouble('order', { failureClass: 'order', reason })
    await pauseFor(ORDER_POLL_MS, this.#abort.signal)
    return null
  }

  /** How many of the records may be applied, and which of their keys are parked. */
  async #permitted(records: readonly PreparedRecord[]) {
    invariant(this.#movedKeys !== undefined, 'what moved is known before records are applied')
    const { count, moved, isOver } = await this.#movedKeys.permitted(records, this.#abort.signal)
    // After the checkpoints of other partitions were read: what these parked up to there is seen. Of
    // keys that moved in a growth that is over nobody asks any more.
    if (isOver) await this.#parkedKeys.reload()
    return { count, parkedKeys: await this.#parkedKeys.among(records.slice(0, count), moved) }
  }

  #tellGate(): void {
    const { reason } = this.#options.gate
    if (reason === undefined) this.#settle('gate')
    else this.#trouble('gate', { failureClass: 'operator', reason })
  }

  #portion(batch: Batch, from: Progress): Batch {
    const start = batch.records.findIndex(({ record }) => record.offset >= from.nextOffset)
    if (start < 0) return { ...batch, records: [] }
    const end = this.#portionEnd(batch, start)
    if (start === 0 && end === batch.records.length) return batch
    const records = batch.records.slice(start, end)
    if (end === batch.records.length) return { ...batch, records }
    const last = records.at(-1)
    invariant(last !== undefined, 'a portion is not empty')
    return { ...batch, records, nextOffset: last.record.offset + 1 }
  }

  /** Ahead of a record that the projection cannot judge; such a record itself is the end. */
  #portionEnd({ records }: Batch, start: number): number {
    const end = Math.min(records.length, start + this.#batchSize.recordsMax)
    for (let index = start; index < end; index += 1) {
      const content = records[index]?.content
      if (content?.kind !== 'unknown') continue
      if (index > start) return index
      const { topic, projection } = this.#options.partition
      throw new StopRequired(explainUnknown({ eventType: content.eventType, topic, projection }))
    }
    return end
  }

  async #apply(
    admitted: Admitted,
    { mode, leaderEpoch, parkedKeys }: Omit<Portion, 'records'> & { readonly mode: BatchMode },
  ): Promise<void> {
    const { db, partition, breaker, mirror, nowMs, observer } = this.#options
    const startMs = nowMs()
    const ledger = await applyBatch(
      {
        db,
        partition,
        breaker,
        mirror,
        leaderEpoch,
        fence: this.#fence,
        parkedKeys,
        attempts: this.#attempts,
        nowMs: startMs,
        codeFailed: (error) => observer.failed({ error, failureClass: 'code' }),
      },
      admitted,
      mode,
    )
    this.#progress = admitted.to
    this.#leaderEpoch = leaderEpoch
    this.#parkedKeys.parked(ledger.parkedKeys)
    this.#attempts = Attempts.none
    this.#batchSize.committed()
    this.#settle('apply')
    observer.held(admitted.to)
    observer.committed({ admitted, ledger, durationMs: nowMs() - startMs })
  }

  /** Decides about a batch that did not commit, waits as decided, and reads the checkpoint again. */
  async #recover(
    error: unknown,
    { mode, attempt }: { readonly mode: BatchMode; readonly attempt: number },
  ): Promise<BatchMode | 'lost'> {
    if (error instanceof InvariantViolation) throw error
    const { signal } = this.#abort
    if (error instanceof BlameNeeded) return 'isolated'
    if (error instanceof StaleKeysError) return this.#reload(mode)
    if (error instanceof FloodError) {
      await this.#sitOut(error)
      return this.#reload(mode)
    }
    if (error instanceof EventFailure) {
      this.#options.observer.failed({ error, failureClass: error.failureClass })
      if (error.action === 'stop') throw new StopRequired(error.message)
      await this.#retryEvent(error)
      return this.#reload('isolated')
    }

    const failureClass = classifyFailure(error, 'database')
    this.#options.observer.failed({ error, failureClass })
    const decision = decideBatchFailure({ failureClass, attempt })
    switch (decision.action) {
      case 'isolate':
        if (mode === 'isolated') throw new StopRequired(errorMessage(error))
        return this.#reload('isolated')
      case 'stop':
        throw new StopRequired(errorMessage(error))
      case 'retry':
        if (decision.halve) this.#batchSize.halve()
        await pause(attempt, decision.backoff, signal)
        return this.#reload(mode)
      case 'pause':
        this.#trouble('apply', { failureClass, reason: errorMessage(error) })
        await pause(attempt, decision.backoff, signal)
        return this.#reload(mode)
      case 'rejoin': {
        // The checkpoint may have moved by a commit of ours that was thought lost: not fenced then.
        const reloaded = await this.#reload(mode)
        if (reloaded !== 'lost') return reloaded
        this.#trouble('apply', { failureClass, reason: errorMessage(error) })
        await pause(attempt, decision.backoff, signal)
        return 'lost'
      }
      default:
        return assertNever(decision)
    }
  }

  async #sitOut(flood: FloodError): Promise<void> {
    const { breaker, nowMs, observer } = this.#options
    observer.failed({ error: flood, failureClass: 'flood' })
    this.#trouble('apply', { failureClass: 'flood', reason: flood.message })
    const delayMs = breaker.retryAtMs(nowMs()) - nowMs()
    await pauseFor(Math.max(0, delayMs), this.#abort.signal)
  }

  async #retryEvent({ record, attempt }: EventFailure): Promise<void> {
    this.#attempts = this.#attempts.with(record)
    await pause(attempt, this.#options.partition.projection.retry, this.#abort.signal)
  }

  /** Reads what the database holds; 'lost' when another worker has taken the partition over. */
  async #reload(mode: BatchMode): Promise<BatchMode | 'lost'> {
    const { db, partition } = this.#options
    const reloaded = await this.#untilDone('reload', async () => {
      const held = await readCheckpoint(db, partition)
      if (held === undefined || held.fence !== this.#fence) return 'lost'
      await this.#hold(held)
      return mode
    })
    return reloaded ?? 'lost'
  }

  /** Repeats a read until its peers answer; null when the worker stops meanwhile. */
  async #untilDone<T>(activity: Activity, attemptOnce: () => Promise<T>): Promise<T | null> {
    for (let attempt = 1; !this.#isStopping; attempt += 1) {
      try {
        const result = await attemptOnce()
        this.#settle(activity)
        return result
      } catch (error) {
        if (this.#isStopping) return null
        if (error instanceof InvariantViolation || error instanceof StopRequired) throw error
        const failureClass = classifyRead(error)
        this.#options.observer.failed({ error, failureClass })
        if (failureClass !== 'infra' && failureClass !== 'contention') {
          throw new StopRequired(explain(error), { cause: error })
        }
        this.#trouble(activity, { failureClass, reason: errorMessage(error) })
        await pause(attempt, INFRA_BACKOFF, this.#abort.signal)
      }
    }
    return null
  }

  #heldProgress(): Progress {
    invariant(this.#progress !== undefined, 'a checkpoint is read before records are')
    return this.#progress
  }

  #trouble(activity: Activity, trouble: Omit<PausedState, 'kind'>): void {
    this.#troubles.set(activity, { kind: 'paused', ...trouble })
    this.#publishState()
  }

  #settle(activity: Activity): void {
    this.#troubles.delete(activity)
    this.#publishState()
  }

  /** A pause of the database hides one of the log: it is where the batch waits. */
  #publishState(): void {
    if (this.#isFaulted) return
    const { gate, order, apply, reload, fetch } = Object.fromEntries(this.#troubles)
    const trouble = gate ?? order ?? apply ?? reload ?? fetch
    this.#options.observer.state(trouble ?? { kind: 'running' })
  }
}

/** Skipping it would leave rows that no later release could put right. */
export function explainUnknown(of: {
  readonly eventType: string
  readonly topic: string
  readonly projection: Projection
}): string {
  const { eventType, topic, projection } = of
  return `${topic} has an event of type ${eventType}, which the events of ${projection.name} do not define: a newer release wrote it. Run that release's definitions; a type without a handler is ignored`
}

function topicAway(topic: string): OperationalError {
  return new OperationalError(`there is no topic ${topic}`, {
    code: 'UNKNOWN_TOPIC_OR_PARTITION',
    retryable: true,
  })
}

function explainNewTopic({ projection, topic }: ProjectionPartition): string {
  return `${topic} was deleted and created anew: the checkpoints of ${projection.name} v${projection.version} are places in the former one. Give the projection a new version to start from what the topic has now.`
}

/** The log does not have what is behind the checkpoint, or lost what was before it. */
const LOST_PLACES: ReadonlySet<string> = new Set(['OFFSET_OUT_OF_RANGE', 'LOG_TRUNCATED'])

/** Failures that waiting does not cure. */
const LASTING: ReadonlySet<string> = new Set([...LOST_PLACES, 'NOT_RUNNING'])

/** The log and the registry pause a worker whatever they answer, but for a lost place in the log. */
function classifyRead(error: unknown): FailureClass {
  if (error instanceof OperationalError) {
    return LASTING.has(error.code) ? 'data' : 'infra'
  }
  return classifyFailure(error, 'database')
}

function explain(error: unknown): string {
  const message = errorMessage(error)
  if (!(error instanceof OperationalError) || !LOST_PLACES.has(error.code)) return message
  return `${message}. The log does not have the record at the checkpoint: its retention removed it, or the topic was truncated or created anew. The projection does not skip what it never saw; give it a new version to start from what the log has.`
}
