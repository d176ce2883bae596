import {
  FETCH_ANSWER_BYTES_MIN,
  FETCH_ANSWER_BYTES_PER_PARTITION,
  FETCH_MEMORY_BYTES,
} from '../limits.ts'
import { type AnsweredTarget, type FetchTarget, recordBytes, targetKey } from './fetch-target.ts'

/** A client that asks again sooner than this after an answer is near, whatever the time it takes to read. */
const NEAR_MS = 10
/** So many answers in a row that took longer say that the client is far, and not that it had to wait. */
const FAR_ANSWERS = 4

/**
 * How much one answer to a fetch holds, for one connection, and where it begins.
 *
 * A client may ask for 50 MB at a time. Handing it that much is slower than a megabyte after the other:
 * what was read from the page cache has left the caches of the processor when the checksums look at it,
 * and again when the socket does, and the client has nothing to do meanwhile. Only for a client that is
 * far away, so that the time between two fetches is that of the way, answers grow.
 *
 * Partitions take turns: a client that names all of them each time, in one order, would never see more
 * than the first.
 */
export class FetchPace {
  #answerBytes = FETCH_ANSWER_BYTES_MIN
  #farAnswers = 0
  #sentMs: number | undefined
  #lastServed: string | undefined

  /** What an answer may hold, of so many partitions that each cost a look. */
  answerBytes(partitionCount: number): number {
    return Math.max(this.#answerBytes, partitionCount * FETCH_ANSWER_BYTES_PER_PARTITION)
  }

  /** A fetch has come. */
  asked(nowMs: number): void {
    if (this.#sentMs === undefined) return
    const isNear = nowMs - this.#sentMs < NEAR_MS
    this.#sentMs = undefined
    this.#farAnswers = isNear ? 0 : this.#farAnswers + 1
    if (isNear) this.#answerBytes = FETCH_ANSWER_BYTES_MIN
    if (this.#farAnswers < FAR_ANSWERS) return
    this.#farAnswers = 0
    this.#answerBytes = Math.min(2 * this.#answerBytes, FETCH_MEMORY_BYTES)
  }

  /** The system has taken an answer, beyond which there was more to read. */
  sent(nowMs: number): void {
    this.#sentMs = nowMs
  }

  /** How many of `targets` come after the partition that was served last. */
  turn(targets: readonly FetchTarget[]): number {
    const last = this.#lastServed
    if (last === undefined) return 0
    return targets.findLastIndex((target) => keyOf(target) === last) + 1
  }

  /** In the order in which they were read. */
  served(answered: readonly AnsweredTarget[]): void {
    const last = answered.findLast(({ answer }) => recordBytes(answer) > 0)
    if (last !== undefined) this.#lastServed = keyOf(last.target)
  }
}

function keyOf(target: FetchTarget): string {
  return targetKey(target, target.request.partition)
}
