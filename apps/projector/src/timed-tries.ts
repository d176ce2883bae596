import { type FloodBreaker, parkedRetryOf } from '@fairlead/projection'
import type { ParkedKeys } from './parked-keys.ts'
import type { Database } from './store/database.ts'
import { type LetterQueue, forgetTries, readDueTries } from './store/letter-queue.ts'
import type { ProjectionPartition } from './store/registered-projection.ts'

/** Keys that moved here from another partition bring their times with them, which nobody tells. */
const LOOK_INTERVAL_MAX_MS = 60_000

type TimedTriesOptions = {
  readonly db: Database
  readonly partition: ProjectionPartition
  readonly breaker: Pick<FloodBreaker, 'isOpen'>
  readonly parkedKeys: Pick<ParkedKeys, 'changeCount'>
  readonly nowMs: () => number
}

/**
 * When parked keys of a partition are tried again by themselves. The database says what is due, by its
 * clock; it is asked when the first key is, when keys were parked, and once a minute.
 */
export class TimedTries {
  readonly #options: TimedTriesOptions
  readonly #isOn: boolean
  #nextLookMs = Number.NEGATIVE_INFINITY
  #changeCount = -1
  #hasForgotten = false

  constructor(options: TimedTriesOptions) {
    this.#options = options
    this.#isOn = parkedRetryOf(options.partition.projection).retries > 0
  }

  /** Times may have changed: they are asked for again. */
  changed(): void {
    this.#nextLookMs = Number.NEGATIVE_INFINITY
  }

  /** What is due, so many letters of it; without keys when nothing is. While keys fail in numbers, none is tried. */
  async due(lettersMax: number): Promise<LetterQueue> {
    const { db, partition, breaker, parkedKeys, nowMs } = this.#options
    if (!this.#isOn) return this.#forget()
    const { changeCount } = parkedKeys
    const isTime = changeCount !== this.#changeCount || nowMs() >= this.#nextLookMs
    if (!isTime || breaker.isOpen(nowMs())) return NOTHING
    const { queue, nextInMs } = await readDueTries(db, partition, lettersMax)
    if (queue.keys.length > 0) return queue
    this.#changeCount = changeCount
    this.#nextLookMs = nowMs() + Math.min(nextInMs ?? LOOK_INTERVAL_MAX_MS, LOOK_INTERVAL_MAX_MS)
    return NOTHING
  }

  /** Times are from when there were tries. */
  async #forget(): Promise<LetterQueue> {
    if (this.#hasForgotten) return NOTHING
    const { db, partition } = this.#options
    await forgetTries(db, partition)
    this.#hasForgotten = true
    return NOTHING
  }
}

const NOTHING: LetterQueue = { keys: [], letters: [], isCut: false }
