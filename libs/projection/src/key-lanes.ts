import { invariant } from '@fairlead/base'

/**
 * Decides what may run at the same time: one item of each key, in the order in which the items of the
 * key were added, and so many keys as there are lanes. A key that takes long holds up what is behind it,
 * and no other key while there is a lane left.
 *
 * It holds what was added and is not done yet; how much that may be is up to its caller.
 */
export class KeyLanes<T> {
  readonly #lanesMax: number
  /** Items of keys that are not done, of each the first is the one that runs or may run. */
  readonly #queues = new Map<string, T[]>()
  /** Keys of which nothing runs, in the order in which they may. */
  readonly #ready: string[] = []
  readonly #running = new Set<string>()
  #readyFrom = 0

  constructor(options: { readonly lanesMax: number }) {
    invariant(options.lanesMax >= 1, 'there is a lane at least')
    this.#lanesMax = options.lanesMax
  }

  add(key: string, item: T): void {
    const queue = this.#queues.get(key)
    if (queue !== undefined) {
      queue.push(item)
      return
    }
    this.#queues.set(key, [item])
    this.#ready.push(key)
  }

  /** The next item to run, until {@link done} with its key; undefined when none may. */
  take(): { readonly key: string; readonly item: T } | undefined {
    if (this.#running.size >= this.#lanesMax) return undefined
    const key = this.#ready[this.#readyFrom]
    if (key === undefined) return undefined
    this.#readyFrom += 1
    const item = this.#queues.get(key)?.[0]
    invariant(item !== undefined, 'a key that is ready has an item')
    this.#running.add(key)
    return { key, item }
  }

  /** What runs of the key has ended: what is behind it may run. */
  done(key: string): void {
    invariant(this.#running.delete(key), 'what has ended has run')
    const queue = this.#queues.get(key) ?? []
    queue.shift()
    if (queue.length === 0) this.#queues.delete(key)
    else this.#ready.push(key)
  }

  /** Nothing runs, and nothing waits. */
  get isIdle(): boolean {
    return this.#queues.size === 0
  }
}
