/** Dropped entries may wait in the heap, but never outnumber the live ones by more than this. */
const DROPPED_ENTRIES_MAX = 1024

type Entry = { readonly deadlineMs: number; readonly groupId: string }

/**
 * Which group is due next: a binary heap with at most one live entry per group.
 *
 * A heartbeat moves a deadline to later thousands of times a second, so that an entry is a lower
 * bound: when it comes up, the group says whether it is really due, and is queued again. Only an
 * earlier deadline replaces an entry; the old one is dropped when it comes up.
 */
export class DeadlineQueue {
  #heap: Entry[] = []
  readonly #queuedMs = new Map<string, number>()

  /** The earliest entry; undefined when nothing will ever be due. */
  get nextMs(): number | undefined {
    return this.#heap[0]?.deadlineMs
  }

  /** Makes sure that the group comes up at `deadlineMs` or before. */
  schedule(groupId: string, deadlineMs: number | undefined): void {
    if (deadlineMs === undefined) return
    const queuedMs = this.#queuedMs.get(groupId)
    if (queuedMs !== undefined && queuedMs <= deadlineMs) return
    this.#queuedMs.set(groupId, deadlineMs)
    this.#push({ groupId, deadlineMs })
    if (this.#heap.length > 2 * this.#queuedMs.size + DROPPED_ENTRIES_MAX) this.#rebuild()
  }

  /** Takes out one group whose entry is due, or undefined when there is none. */
  takeDue(nowMs: number): string | undefined {
    for (;;) {
      const first = this.#heap[0]
      if (first === undefined || first.deadlineMs > nowMs) return undefined
      this.#pop()
      if (this.#queuedMs.get(first.groupId) !== first.deadlineMs) continue
      this.#queuedMs.delete(first.groupId)
      return first.groupId
    }
  }

  #rebuild(): void {
    this.#heap = []
    for (const [groupId, deadlineMs] of this.#queuedMs) this.#push({ groupId, deadlineMs })
  }

  #push(entry: Entry): void {
    const heap = this.#heap
    let index = heap.length
    heap.push(entry)
    while (index > 0) {
      const parent = (index - 1) >> 1
      if (this.#at(parent) <= entry.deadlineMs) break
      this.#swap(parent, index)
      index = parent
    }
  }

  #pop(): void {
    const heap = this.#heap
    const last = heap.pop()
    if (last === undefined || heap.length === 0) return
    heap[0] = last
    let index = 0
    for (;;) {
      const left = 2 * index + 1
      const smallest = this.#at(left + 1) < this.#at(left) ? left + 1 : left
      if (this.#at(smallest) >= last.deadlineMs) return
      this.#swap(smallest, index)
      index = smallest
    }
  }

  #at(index: number): number {
    return this.#heap[index]?.deadlineMs ?? Infinity
  }

  #swap(left: number, right: number): void {
    const heap = this.#heap
    const moved = heap[left] as Entry
    heap[left] = heap[right] as Entry
    heap[right] = moved
  }
}
