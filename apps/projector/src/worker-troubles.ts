import type { PausedState, WorkerState } from './worker-observer.ts'

/**
 * What a worker can be in trouble with. Reading the checkpoint again is apart from applying: a full
 * disk lets the one pass, and not the other.
 */
export type Activity = 'gate' | 'order' | 'apply' | 'reload' | 'fetch'

/** What each activity of a worker waits for, and the one state that they make together. */
export class WorkerTroubles {
  readonly #tell: (state: WorkerState) => void
  readonly #byActivity = new Map<Activity, PausedState>()
  /** Nothing that was still under way says otherwise any more. */
  #isFaulted = false

  constructor(tell: (state: WorkerState) => void) {
    this.#tell = tell
  }

  pause(activity: Activity, trouble: Omit<PausedState, 'kind'>): void {
    this.#byActivity.set(activity, { kind: 'paused', ...trouble })
    this.#publish()
  }

  settle(activity: Activity): void {
    this.#byActivity.delete(activity)
    this.#publish()
  }

  fault(reason: string): void {
    this.#isFaulted = true
    this.#tell({ kind: 'faulted', reason })
  }

  /** A pause of the database hides one of the log: it is where the batch waits. */
  #publish(): void {
    if (this.#isFaulted) return
    const { gate, order, apply, reload, fetch } = Object.fromEntries(this.#byActivity)
    const trouble = gate ?? order ?? apply ?? reload ?? fetch
    this.#tell(trouble ?? { kind: 'running' })
  }
}
