import { type Offset, invariant, offset } from '@fairlead/base'
import { Fifo } from './fifo.ts'
import type { AppendRefusal, AppendResult, Appended } from './outcomes.ts'

type Waiter = {
  readonly nextOffset: number
  readonly result: Appended
  readonly onDurable: (result: AppendResult) => void
}

/**
 * Appends that wait for the high watermark to pass them, in the order of their calls.
 *
 * Invariants: each is answered once, and none below the high watermark waits, but for a retry behind
 * an append that is newer than its original.
 */
export class AppendWaiters {
  readonly #waiters = new Fifo<Waiter>()

  add(result: Appended, onDurable: (result: AppendResult) => void): void {
    this.#waiters.push({ nextOffset: result.lastOffset + 1, result, onDurable })
  }

  /** Answers those that the high watermark has passed. They may append again meanwhile. */
  answerBelow(highWatermark: () => Offset): void {
    for (let next = this.#waiters.first(); next !== undefined; next = this.#waiters.first()) {
      if (next.nextOffset > highWatermark()) return
      this.#waiters.shift()
      next.onDurable(next.result)
    }
  }

  /** Refuses those that wait for an offset at or above `nextOffset`: they never get there. */
  refuseFrom(nextOffset: number, refusal: AppendRefusal): void {
    const lost: Waiter[] = []
    for (let left = this.#waiters.length; left > 0; left -= 1) {
      const waiter = this.#waiters.shift()
      if (waiter === undefined) break
      if (waiter.nextOffset > nextOffset) lost.push(waiter)
      else this.#waiters.push(waiter)
    }
    for (const { onDurable } of lost) onDurable(refusal)
  }

  refuse(refusal: AppendRefusal): void {
    for (let next = this.#waiters.shift(); next !== undefined; next = this.#waiters.shift()) {
      next.onDurable(refusal)
    }
  }
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
