import { invariant } from '@fairlead/base'
import type { StorageError } from './disk.ts'

/**
 * Whether a log still serves, and what it answers when it does not.
 *
 * Invariants: open, then closed or deleted, once; the first failure is the one that is told.
 */
export class Lifecycle {
  #state: 'open' | 'closed' | 'deleted' = 'open'
  #failure: StorageError | undefined

  get isOpen(): boolean {
    return this.#state === 'open'
  }

  get isDeleted(): boolean {
    return this.#state === 'deleted'
  }

  /** Why the log takes no more appends. */
  get failure(): StorageError | undefined {
    return this.#failure
  }

  end(state: 'closed' | 'deleted'): void {
    invariant(this.#state === 'open', 'a log is closed or deleted once')
    this.#state = state
  }

  /** False when the log has failed before. */
  fail(error: StorageError): boolean {
    if (this.#failure !== undefined) return false
    this.#failure = error
    return true
  }

  /** What readers and everybody else get from a log that has ended. */
  closedRefusal(): Unavailable<'KAFKA_STORAGE_ERROR' | 'UNKNOWN_TOPIC_OR_PARTITION'> | undefined {
    switch (this.#state) {
      case 'open':
        return undefined
      case 'closed':
        return unavailable('KAFKA_STORAGE_ERROR', 'the log is closed')
      case 'deleted':
        return unavailable('UNKNOWN_TOPIC_OR_PARTITION', 'the log is deleted')
    }
  }

  /** What changes get from a log that has ended or failed; reads go on after a failure. */
  changeRefusal(): Unavailable<'KAFKA_STORAGE_ERROR' | 'UNKNOWN_TOPIC_OR_PARTITION'> | undefined {
    const closed = this.closedRefusal()
    if (closed !== undefined || this.#failure === undefined) return closed
    return unavailable('KAFKA_STORAGE_ERROR', this.#failure.message)
  }
}

export type Unavailable<Code extends string> = {
  readonly ok: false
  readonly errorCode: Code
  readonly message: string
}

export function unavailable<Code extends 'KAFKA_STORAGE_ERROR' | 'UNKNOWN_TOPIC_OR_PARTITION'>(
  errorCode: Code,
  message: string,
): Unavailable<Code> {
  return { ok: false, errorCode, message }
}
