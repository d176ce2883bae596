import { type PreparedRecord, comesBefore } from '@fairlead/projection'
import type { EventLog, TopicPartition } from './log/event-log.ts'
import type { RecordReader } from './log/prepare-records.ts'

const HEAD = { maxBytes: 1, maxWaitMs: 100 }
const AHEAD = { maxBytes: 1_048_576, maxWaitMs: 100 }
/** The batch that asks waits for them; it asks again. */
const AHEAD_FETCHES_MAX = 4
/** Held in memory. A partition that has more of them to apply is waited for without regard to keys. */
const AHEAD_RECORDS_MAX = 1_000

/** Which records have to wait for what another partition has yet to apply. */
export type Rest = { readonly holdsBack: (prepared: PreparedRecord) => boolean }

const DRAINED: Rest = { holdsBack: () => false }
const UNKNOWN: Rest = { holdsBack: () => true }

/** Of a record that is not applied yet: what its order says. */
type Ahead = Pick<PreparedRecord, 'source'> & {
  readonly record: { readonly offset: number; readonly timestampMs: number }
}

type FormerPartitionOptions = {
  readonly log: Pick<EventLog, 'read'>
  readonly reader: Pick<RecordReader, 'prepare' | 'prepareLazily'>
  readonly at: TopicPartition
  /** Whether records with the key may be in the partition that waits for this one. */
  readonly mayMove: (key: Uint8Array) => boolean
}

/**
 * A partition that keys have left for the one that asks. A record waits for those of its own key alone, so
 * its records are looked at ahead of who applies them: two partitions that had to wait for whatever the other one
 * has before would apply one record each in turn, as each has got keys from the other one.
 */
export class FormerPartition {
  readonly #options: FormerPartitionOptions
  /** What is before it was applied when it was asked for last. */
  #appliedTo = 0
  /** What is before it was looked at. */
  #seenTo = 0
  /** By key: not applied yet, and seen. */
  #ahead = new Map<string, Ahead[]>()

  constructor(options: FormerPartitionOptions) {
    this.#options = options
  }

  /** `nextOffset`: of the next record that is applied there; undefined before the first owner. `end`: of its log. */
  async restOf(
    { nextOffset, end }: { readonly nextOffset: number | undefined; readonly end: number },
    signal: AbortSignal,
  ): Promise<Rest> {
    if ((nextOffset ?? 0) >= end) return DRAINED
    // Its first owner says where it begins, which need not be at 0: retention removes what is old.
    if (nextOffset === undefined) return UNKNOWN
    const { log, reader, at, mayMove } = this.#options
    const fetched = await log.read({ ...at, ...HEAD, fromOffset: nextOffset, signal })
    const [head] = await reader.prepare(fetched.records.slice(0, 1))
    if (head === undefined) return UNKNOWN
    this.#forgetApplied(nextOffset)
    const isAllSeen = await this.#lookAhead(end, signal)
    const mayPass = (prepared: PreparedRecord, other: Ahead): boolean =>
      isPast(prepared, other, at.partition)
    return {
      holdsBack: (prepared) => {
        // Of partitions whose first records wait for each other, one has the first of all: it goes on.
        if (mayPass(prepared, head)) return false
        const { key } = prepared.record
        if (!isAllSeen || key === null || !mayMove(key)) return true
        return this.#ahead.get(textOf(key))?.some((other) => !mayPass(prepared, other)) ?? false
      },
    }
  }

  #forgetApplied(nextOffset: number): void {
    // A database that has lost commits has what is forgotten applied once more.
    if (nextOffset < this.#appliedTo || nextOffset > this.#seenTo) {
      this.#seenTo = nextOffset
      this.#ahead.clear()
    }
    this.#appliedTo = nextOffset
    for (const [key, all] of this.#ahead) {
      const left = all.filter(({ record }) => record.offset >= nextOffset)
      if (left.length === 0) this.#ahead.delete(key)
      else this.#ahead.set(key, left)
    }
  }

  /** False when there is more than is looked at for now, or of open transactions. */
  async #lookAhead(end: number, signal: AbortSignal): Promise<boolean> {
    const { log, reader, at, mayMove } = this.#options
    for (let fetchCount = 0; this.#seenTo < end; fetchCount += 1) {
      if (fetchCount === AHEAD_FETCHES_MAX || this.#aheadCount >= AHEAD_RECORDS_MAX) return false
      const fetched = await log.read({ ...at, ...AHEAD, fromOffset: this.#seenTo, signal })
      if (fetched.nextOffset === this.#seenTo) return false
      const moving = fetched.records.filter(({ key }) => key !== null && mayMove(key))
      for (const prepared of await reader.prepareLazily(moving)) this.#keep(prepared)
      this.#seenTo = fetched.nextOffset
    }
    return true
  }

  /** Without the record itself, which would hold on to all that was fetched with it. */
  #keep({ source, record: { key, offset, timestampMs } }: PreparedRecord): void {
    if (key === null) return
    const ahead = { source, record: { offset, timestampMs } }
    const ofKey = this.#ahead.get(textOf(key))
    if (ofKey === undefined) this.#ahead.set(textOf(key), [ahead])
    else ofKey.push(ahead)
  }

  get #aheadCount(): number {
    return [...this.#ahead.values()].reduce((sum, { length }) => sum + length, 0)
  }
}

function textOf(key: Uint8Array): string {
  return Buffer.from(key).toString('latin1')
}

/** Two records that nothing puts in order are taken by their partitions: none waits for the other. */
function isPast(prepared: PreparedRecord, other: Ahead, former: number): boolean {
  if (comesBefore(prepared, other)) return true
  return !comesBefore(other, prepared) && prepared.record.partition < former
}
