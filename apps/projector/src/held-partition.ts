import { OperationalError, invariant } from '@fairlead/base'
import type { Progress } from '@fairlead/projection'
import type { BatchEnd } from './log/batch-source.ts'
import type { EventLog } from './log/event-log.ts'
import { ParkedKeys } from './parked-keys.ts'
import { StopRequired, explainNewTopic } from './stop-reasons.ts'
import { type HeldCheckpoint, readCheckpoint, takeOver } from './store/checkpoints.ts'
import type { Database } from './store/database.ts'
import { Inbox } from './store/inbox.ts'
import type { ProjectionPartition } from './store/registered-projection.ts'
import type { WorkerObserver } from './worker-observer.ts'

type HeldPartitionOptions = {
  readonly db: Database
  readonly log: Pick<EventLog, 'earliestOffset' | 'topicId'>
  readonly partition: ProjectionPartition
  readonly observer: Pick<WorkerObserver, 'held' | 'wentBack'>
  /** The worker stops. */
  readonly signal: AbortSignal
}

/**
 * A partition as its owner holds it: what the database says of it, as last read or committed, and the
 * fence under which the owner may change that.
 */
export class HeldPartition {
  readonly #options: HeldPartitionOptions
  readonly parkedKeys: ParkedKeys
  #checkpoint: HeldCheckpoint | undefined
  #topicId = ''
  #inbox: Inbox | undefined

  constructor(options: HeldPartitionOptions) {
    this.#options = options
    this.parkedKeys = new ParkedKeys(options.db, options.partition)
  }

  /** Offset of the next record to apply; undefined before the take-over. */
  get nextOffset(): number | undefined {
    return this.#checkpoint?.progress.nextOffset
  }

  get progress(): Progress {
    return this.#held.progress
  }

  get fence(): bigint {
    return this.#held.fence
  }

  /** Where to read on. */
  get end(): BatchEnd {
    const { progress, leaderEpoch } = this.#held
    return { nextOffset: progress.nextOffset, leaderEpoch }
  }

  /** Undefined for a projection that has none. */
  get inbox(): Inbox | undefined {
    return this.#inbox
  }

  /** The topic that the offsets are of. */
  get topicId(): string {
    return this.#topicId
  }

  /**
   * Raises the fence and reads where to begin.
   *
   * @throws {StopRequired} when the checkpoint is of a former topic. What database and log throw. The reason of
   *   `signal`: a worker that is told to stop meanwhile takes the partition from nobody who has it by then.
   */
  async takeOver(): Promise<void> {
    const { db, log, partition, signal } = this.#options
    const { topic } = partition
    const known = await readCheckpoint(db, partition)
    const offset = known === undefined ? await log.earliestOffset(topic, partition.partition) : 0
    const topicId = await log.topicId(topic)
    if (topicId === undefined) throw topicAway(topic)
    if (partition.projection.inbox !== undefined) {
      // A database that has lost its last commits, this one among them, has lost the fence behind it, too.
      this.#inbox = await Inbox.open(db, partition, topic)
    }
    signal.throwIfAborted()
    const checkpoint = await takeOver(db, partition, { offset, topicId })
    if (checkpoint.topicId !== topicId) throw new StopRequired(explainNewTopic(partition))
    this.#topicId = topicId
    await this.#hold(checkpoint)
  }

  /** Reads what the database holds; false when another worker has taken the partition over. */
  async reload(): Promise<boolean> {
    const { db, partition } = this.#options
    const checkpoint = await readCheckpoint(db, partition)
    if (checkpoint === undefined || checkpoint.fence !== this.fence) return false
    await this.#hold(checkpoint)
    return true
  }

  /**
   * Whether the database has lost what was committed, and has no newer owner. One that is idle learns it by nothing
   * else.
   */
  async hasLostCommits(): Promise<boolean> {
    const { db, partition } = this.#options
    const checkpoint = await readCheckpoint(db, partition)
    if (checkpoint === undefined) return true
    if (checkpoint.fence !== this.fence) return checkpoint.fence < this.fence
    return checkpoint.progress.nextOffset < this.progress.nextOffset
  }

  /** A batch is committed. */
  committed(batch: {
    readonly to: Progress
    readonly leaderEpoch: number
    readonly parkedKeys: ReadonlySet<string>
  }): void {
    const { to, leaderEpoch, parkedKeys } = batch
    this.parkedKeys.parked(parkedKeys)
    this.#checkpoint = { ...this.#held, progress: to, leaderEpoch }
    this.#options.observer.held(to)
  }

  /** Letters were applied. */
  drained({
    fence,
    unparked,
  }: {
    readonly fence: bigint
    readonly unparked: ReadonlySet<string>
  }): void {
    this.parkedKeys.released(unparked)
    this.#checkpoint = { ...this.#held, fence }
  }

  async #hold(checkpoint: HeldCheckpoint): Promise<void> {
    await this.parkedKeys.reload()
    const { observer } = this.#options
    const { nextOffset: toOffset } = checkpoint.progress
    const fromOffset = this.nextOffset ?? toOffset
    this.#checkpoint = checkpoint
    if (toOffset < fromOffset) observer.wentBack({ fromOffset, toOffset })
    observer.held(checkpoint.progress)
  }

  get #held(): HeldCheckpoint {
    invariant(this.#checkpoint !== undefined, 'a partition is taken over before it is worked on')
    return this.#checkpoint
  }
}

function topicAway(topic: string): OperationalError {
  return new OperationalError(`there is no topic ${topic}`, {
    code: 'UNKNOWN_TOPIC_OR_PARTITION',
    retryable: true,
  })
}
