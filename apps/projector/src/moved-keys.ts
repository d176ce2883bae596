import { OperationalError } from '@fairlead/base'
import { partitionOfKey } from '@fairlead/kafka'
import type { PreparedRecord } from '@fairlead/projection'
import { FormerPartition, type Rest } from './former-partition.ts'
import type { EventLog } from './log/event-log.ts'
import type { RecordReader } from './log/prepare-records.ts'
import { pauseFor } from './pause.ts'
import { type PartitionProgress, readCheckpoints } from './store/checkpoints.ts'
import type { Database } from './store/database.ts'
import { type Growth, SETTLED_AFTER_MS, notePartitionCount } from './store/partition-growth.ts'
import { type ProjectionPartition, versionOf } from './store/registered-projection.ts'

/** A producer may choose partitions in another way than Kafka's; then many keys look misplaced. */
const LOOK_INTERVAL_MS = 1_000

/** What of some records may be applied now. */
export type Permitted = {
  readonly count: number
  /** Of these records, the keys that another partition has had events of, or may still get some. */
  readonly moved: ReadonlySet<string>
  /** A growth of the topic is over: keys that moved then are looked at no more. */
  readonly isOver: boolean
}

const NONE: ReadonlySet<string> = new Set()

/** Old enough growths, and where partitions must get to for these to be over. */
type Settling = { readonly growthCount: number; readonly ends: ReadonlyMap<number, number> }

type MovedKeysOptions = {
  readonly db: Database
  readonly log: Pick<EventLog, 'highWatermark' | 'partitionCount' | 'read'>
  readonly reader: RecordReader
  readonly partition: ProjectionPartition
  /** For intervals: it is never set. */
  readonly nowMs: () => number
  readonly wallMs: () => number
}

/**
 * Keeps the order of keys whose partition changed when the topic got more of them: an event of such a
 * key waits until its former partition has nothing left that comes before it.
 *
 * It ends once every producer knows the new partitions, and what was written before is applied.
 */
export class MovedKeys {
  readonly #options: MovedKeysOptions
  readonly #formers = new Map<number, FormerPartition>()
  #partitionCount = 0
  /** Seen at times of `nowMs`. */
  #growths: readonly Growth[] = []
  /** Misplaced keys were there before, and no growth that explains them. */
  #hasLookedAgain = false
  #misplacedMs = Number.NEGATIVE_INFINITY
  #settleLookMs = Number.NEGATIVE_INFINITY
  #settling: Settling | undefined

  private constructor(options: MovedKeysOptions) {
    this.#options = options
  }

  static async of(options: MovedKeysOptions): Promise<MovedKeys> {
    const movedKeys = new MovedKeys(options)
    await movedKeys.#look()
    return movedKeys
  }

  /** Whether keys may be in two partitions: producers hear of new ones one after the other. */
  get mayBeInTwo(): boolean {
    return this.#growths.length > 0
  }

  /** How many of the records, from the first on, may be applied now. */
  async permitted(records: readonly PreparedRecord[], signal: AbortSignal): Promise<Permitted> {
    const nowMs = this.#options.nowMs()
    const isLookDue = nowMs - this.#misplacedMs >= LOOK_INTERVAL_MS
    if (isLookDue && this.#areMisplaced(records)) {
      await this.#lookFor(records, signal)
      this.#misplacedMs = nowMs
    }
    if (this.#growths.length === 0) return { count: records.length, moved: NONE, isOver: false }
    const formers = records.map((record) => this.#formerPartitions(record))
    const rests = await this.#restsOf(new Set(formers.flat()), signal)
    const blocked = records.findIndex((record, index) =>
      formers[index]?.some((former) => rests.get(former)?.holdsBack(record)),
    )
    const count = blocked === -1 ? records.length : blocked
    const moved = records
      .slice(0, count)
      .filter((record, index) => formers[index]?.length !== 0 || this.#isMisplaced(record))
    return { count, moved: new Set(moved.map(({ key }) => key)), isOver: await this.#forget(nowMs) }
  }

  /** Their producer may have heard of new partitions before this one's group, and before the broker that is asked. */
  async #lookFor(records: readonly PreparedRecord[], signal: AbortSignal): Promise<void> {
    await this.#look()
    if (this.#hasLookedAgain || !this.#areMisplaced(records)) return
    await pauseFor(LOOK_INTERVAL_MS, signal)
    await this.#look()
    this.#hasLookedAgain = this.#areMisplaced(records)
  }

  async #look(): Promise<void> {
    const { db, log, partition, nowMs, wallMs } = this.#options
    const partitionCount = await log.partitionCount(partition.topic)
    if (partitionCount <= this.#partitionCount) return
    if (partitionCount <= partition.partition) throw behindGrowth(partition)
    this.#partitionCount = partitionCount
    this.#hasLookedAgain = false
    // Other keys may be here than those that were looked for.
    this.#formers.clear()
    const seen = { partitionCount, nowMs: wallMs() }
    const growths = await notePartitionCount(db, partition, seen)
    // From here on, a clock that is set to another time makes none of them older or younger.
    this.#growths = growths.map(({ partitionCount: before, seenAtMs }) => ({
      partitionCount: before,
      seenAtMs: nowMs() - Math.max(0, seen.nowMs - seenAtMs),
    }))
  }

  #areMisplaced(records: readonly PreparedRecord[]): boolean {
    return records.some((record) => this.#isMisplaced(record))
  }

  #isMisplaced({ record: { key } }: PreparedRecord): boolean {
    const { partition } = this.#options.partition
    return key !== null && partitionOfKey(key, this.#partitionCount) !== partition
  }

  /** Partitions that the record's key was in, if it is in another one now. */
  #formerPartitions({ record: { key, partition } }: PreparedRecord): readonly number[] {
    if (key === null) return []
    return this.#growths
      .map(({ partitionCount }) => partitionOfKey(key, partitionCount))
      .filter((former) => former !== partition)
  }

  async #restsOf(
    partitions: ReadonlySet<number>,
    signal: AbortSignal,
  ): Promise<ReadonlyMap<number, Rest>> {
    const rests = new Map<number, Rest>()
    if (partitions.size === 0) return rests
    const { db, log, partition: of } = this.#options
    const { topic } = of
    // The ends first: what is appended behind them is newer than the records that ask. Of a transaction that is open
    // there, the part that is here may be seen already.
    const ends = new Map<number, number>()
    for (const former of partitions) ends.set(former, await log.highWatermark(topic, former))
    const checkpoints = await readCheckpoints(db, versionOf(of))
    for (const [partition, end] of ends) {
      const nextOffset = this.#nextOffsetOf(partition, checkpoints)
      rests.set(partition, await this.#former(partition).restOf({ nextOffset, end }, signal))
    }
    return rests
  }

  #former(partition: number): FormerPartition {
    const known = this.#formers.get(partition)
    if (known !== undefined) return known
    const { log, reader, partition: of } = this.#options
    const former = new FormerPartition({
      log,
      reader,
      at: { topic: of.topic, partition },
      mayMove: (key) => this.#mayBeHere(key),
    })
    this.#formers.set(partition, former)
    return former
  }

  /** Where producers know how many partitions there are, or how many there were. */
  #mayBeHere(key: Uint8Array): boolean {
    const { partition } = this.#options.partition
    const counts = [this.#partitionCount, ...this.#growths.map((growth) => growth.partitionCount)]
    return counts.some((count) => partitionOfKey(key, count) === partition)
  }

  /**
   * Forgets growths that are long ago, once all partitions of then have applied what they had when no
   * producer could write to the wrong one any more. True when it has forgotten one.
   */
  async #forget(nowMs: number): Promise<boolean> {
    const settled = this.#growths.filter(({ seenAtMs }) => nowMs - seenAtMs >= SETTLED_AFTER_MS)
    if (settled.length === 0 || nowMs - this.#settleLookMs < LOOK_INTERVAL_MS) return false
    this.#settleLookMs = nowMs
    const { db, partition } = this.#options
    if (this.#settling?.growthCount !== settled.length) {
      const ends = await this.#endsBefore(settled)
      this.#settling = { growthCount: settled.length, ends }
    }
    const checkpoints = await readCheckpoints(db, versionOf(partition))
    for (const [former, end] of this.#settling.ends) {
      if ((this.#nextOffsetOf(former, checkpoints) ?? 0) < end) return false
    }
    this.#growths = this.#growths.filter((growth) => !settled.includes(growth))
    this.#settling = undefined
    return true
  }

  /** Where the other partitions of former times end now. */
  async #endsBefore(growths: readonly Growth[]): Promise<ReadonlyMap<number, number>> {
    const { log, partition } = this.#options
    const count = Math.max(...growths.map(({ partitionCount }) => partitionCount))
    const ends = new Map<number, number>()
    for (let former = 0; former < count; former += 1) {
      if (former === partition.partition) continue
      ends.set(former, await log.highWatermark(partition.topic, former))
    }
    return ends
  }

  /** Undefined before its first owner has taken it. */
  #nextOffsetOf(partition: number, checkpoints: readonly PartitionProgress[]): number | undefined {
    const { topic } = this.#options.partition
    const at = checkpoints.find((each) => each.topic === topic && each.partition === partition)
    return at?.progress.nextOffset
  }
}

/** Whoever assigned the partition knows of it: what it had of other partitions before is not to be missed. */
function behindGrowth({ topic, partition }: ProjectionPartition): OperationalError {
  return new OperationalError(
    `the broker that was asked does not know of partition ${partition} of ${topic} yet`,
    { code: 'UNKNOWN_TOPIC_OR_PARTITION', retryable: true },
  )
}
