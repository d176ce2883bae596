/** Something that happens at a time; events of one time happen in the order of their numbers. */
export type SimulatedEvent = {
  readonly timeMs: number
  readonly sequence: number
  readonly label: string
  /** Undefined once it is cancelled. */
  action: (() => void) | undefined
}

/** A binary heap: the event that comes next is at the top. */
export class EventHeap {
  readonly #events: SimulatedEvent[] = []

  get size(): number {
    return this.#events.length
  }

  first(): SimulatedEvent | undefined {
    return this.#events[0]
  }

  push(event: SimulatedEvent): void {
    const events = this.#events
    let at = events.length
    events.push(event)
    while (at > 0) {
      const parent = (at - 1) >> 1
      const above = events[parent]
      if (above === undefined || isBefore(above, event)) break
      events[at] = above
      at = parent
    }
    events[at] = event
  }

  pop(): SimulatedEvent | undefined {
    const [first] = this.#events
    const last = this.#events.pop()
    if (last !== undefined && this.#events.length > 0) this.#sink(last)
    return first
  }

  /** Puts `event` where the top was, and moves it down. */
  #sink(event: SimulatedEvent): void {
    const events = this.#events
    let at = 0
    for (;;) {
      const child = this.#earlierChild(at)
      const below = events[child]
      if (below === undefined || isBefore(event, below)) break
      events[at] = below
      at = child
    }
    events[at] = event
  }

  #earlierChild(at: number): number {
    const left = this.#events[2 * at + 1]
    const right = this.#events[2 * at + 2]
    const isRight = left !== undefined && right !== undefined && isBefore(right, left)
    return isRight ? 2 * at + 2 : 2 * at + 1
  }
}

function isBefore(one: SimulatedEvent, other: SimulatedEvent): boolean {
  return one.timeMs === other.timeMs ? one.sequence < other.sequence : one.timeMs < other.timeMs
}
