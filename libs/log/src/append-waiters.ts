import { type Offset, invariant, offset } from '@fairlead/base'
import { Fifo } from './fifo.ts'
import type { AppendRefusal, AppendResult, Appended } from './outcomes.ts'

type Waiter = {
  readonly nextOffset: number
  readonly result: Appended
  readonly onDurable: (result: AppendResult) => void
}

/**
 * Appends that wait for the high watermark to pass them, in the order of their offsets, and retries of
 * such appends, in the order of their calls.
 *
 * Invariant: each is answered once, and none below the high watermark waits.
 */
export class AppendWaiters {
  readonly #waiters = new Fifo<Waiter>()
  /** A retry may come behind appends that are newer than its original. */
  readonly #retries = new Fifo<Waiter>()

  add(result: Appended, onDurable: (result: AppendResult) => void): void {
    const waiters = result.duplicate ? this.#retries : this.#waiters
    waiters.push({ nextOffset: result.lastOffset + 1, result, onDurable })
  }

  /** Answers those that the high watermark has passed. They may append again meanwhile. */
  answerBelow(highWatermark: () => Offset): void {
    for (let next = this.#waiters.first(); next !== undefined; next = this.#waiters.first()) {
      if (next.nextOffset > highWatermark()) break
      this.#waiters.shift()
      next.onDurable(next.result)
    }
    if (this.#retries.length === 0) return
    const limit = highWatermark()
    const passed = takeWhere(this.#retries, ({ nextOffset }) => nextOffset <= limit)
    for (const { result, onDurable } of passed) onDurable(result)
  }

  /** Refuses those that wait for an offset at or above `nextOffset`: they never get there. */
  refuseFrom(nextOffset: number, refusal: AppendRefusal): void {
    const isLost = (waiter: Waiter): boolean => waiter.nextOffset > nextOffset
    const lost = [...takeWhere(this.#waiters, isLost), ...takeWhere(this.#retries, isLost)]
    for (const { onDurable } of lost) onDurable(refusal)
  }

  refuse(refusal: AppendRefusal): void {
    for (const waiters of [this.#waiters, this.#retries]) {
      for (let next = waiters.shift(); next !== undefined; next = waiters.shift()) {
        next.onDurable(refusal)
      }
    }
  }
}

/** Takes out those that `isTaken`; the others keep their order. */
function takeWhere(waiters: Fifo<Waiter>, isTaken: (waiter: Waiter) => boolean): readonly Waiter[] {
  const taken: Waiter[] = []
  for (let left = waiters.length; left > 0; left -= 1) {
    const waiter = waiters.shift()
    if (waiter === undefined) break
    if (isTaken(waiter)) taken.push(waiter)
    else waiters.push(waiter)
  }
  return taken
}

/** The answer to an append that is on its way to the disk, or was there before. */
export function appended(
  range: { readonly baseOffset: number; readonly lastOffset: number },
  answer: Pick<Appended, 'logAppendTimeMs' | 'logStartOffset' | 'duplicate'>,
): Appended {
  invariant(range.lastOffset >= range.baseOffset, 'an append holds at least one record')
  const { baseOffset, lastOffset } = range
  return { ok: true, baseOffset: offset(baseOffset), lastOffset: offset(lastOffset), ...answer }
}
