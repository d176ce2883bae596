import { METADATA_CHANGES_WAITING_MAX } from '../limits.ts'
import { RequestRefused } from '../network/connection.ts'

/**
 * Changes of the metadata, one after the other, in the order of the calls.
 *
 * A change costs a sync of the disk, and clients ask faster: what a closed connection asked for waits
 * here like all else, so that the queue has an end of its own.
 */
export class ChangeQueue {
  #last: Promise<unknown> = Promise.resolve()
  #waitingCount = 0

  /** Runs `change` when all before it are done. @throws {RequestRefused} when too many wait. */
  run<Result>(change: () => Promise<Result>): Promise<Result> {
    if (this.#waitingCount >= METADATA_CHANGES_WAITING_MAX) {
      const reason = `${this.#waitingCount} changes of the metadata wait already`
      return Promise.reject(new RequestRefused({ kind: 'memory', reason }))
    }
    this.#waitingCount += 1
    const result = this.#last.then(() => {
      this.#waitingCount -= 1
      return change()
    })
    this.#last = result.catch(() => {})
    return result
  }

  /** Resolves when no change is under way any more. */
  async idle(): Promise<void> {
    await this.#last
  }
}
