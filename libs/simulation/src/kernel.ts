import { type Clock, type Timers, invariant } from '@fairlead/base'
import { EventHeap, type SimulatedEvent } from './event-heap.ts'
import { withPoisonedGlobals } from './poisoned-globals.ts'
import { SeededRandom } from './seeded-random.ts'
import { TraceHash } from './trace-hash.ts'

export type RunLimits = {
  /** In simulated milliseconds since the start of the kernel: the last event that may happen. */
  readonly untilMs: number
  /** More events than this in one run are a live-lock. */
  readonly eventsMax?: number
}

/** What happened, for the report of a finding. */
export type TracedEvent = { readonly timeMs: number; readonly label: string }

/** Times are multiples of this binary fraction: sums and differences of them are exact. */
const TICKS_PER_MS = 1024
const EVENTS_MAX = 10_000_000
const RECENT_MAX = 40
/** Simulated wall clocks start in the spring of 2026; any time would do, as long as it is always it. */
const WALL_START_MS = 1_775_000_000_000

/**
 * The world of a simulation: one synchronous loop over events, ordered by time, then by the order in
 * which they were planned. Whatever happens follows from the seed: the same seed gives the same trace.
 *
 * Invariants: time never goes back; nothing happens but through `run`; while it runs, the clocks,
 * timers, promises and random numbers of the platform throw.
 */
export class Kernel {
  readonly seed: number
  readonly random: SeededRandom
  readonly trace: TraceHash = new TraceHash()
  /** What must hold after every event is checked here; it throws. */
  afterEach: () => void = () => {}
  /** Hears of everything that happens, for a person who reads along. */
  observe: (event: TracedEvent) => void = () => {}
  readonly #events = new EventHeap()
  #nowMs = 0
  #sequence = 0
  #eventCount = 0
  readonly #recent: TracedEvent[] = []
  #recentCount = 0

  constructor(seed: number) {
    this.seed = seed
    this.random = new SeededRandom(seed)
  }

  get nowMs(): number {
    return this.#nowMs
  }

  get eventCount(): number {
    return this.#eventCount
  }

  /** The last events, oldest first. */
  get recent(): readonly TracedEvent[] {
    const at = this.#recentCount % RECENT_MAX
    return [...this.#recent.slice(at), ...this.#recent.slice(0, at)]
  }

  /** Takes note of something that is part of the trace, such as an answer or a crash. */
  note(label: string, ...numbers: readonly number[]): void {
    this.trace.note(label, ...numbers)
    this.#tell(numbers.length === 0 ? label : `${label} ${numbers.join(' ')}`)
  }

  /** Plans an event `delayMs` from now, 0 or more. The returned function cancels it. */
  after(delayMs: number, label: string, action: () => void): () => void {
    invariant(delayMs >= 0, () => `${label} is planned for the past`)
    this.#sequence += 1
    const timeMs = Math.ceil((this.#nowMs + delayMs) * TICKS_PER_MS) / TICKS_PER_MS
    const event: SimulatedEvent = { timeMs, sequence: this.#sequence, label, action }
    this.#events.push(event)
    return () => {
      event.action = undefined
    }
  }

  /** Lets events happen, then moves the time to `untilMs`. */
  run(limits: RunLimits): void {
    this.#run(limits, () => false)
    this.#nowMs = Math.max(this.#nowMs, limits.untilMs)
  }

  /** Runs until `isDone`, which is asked before the first event and after each; the last answer. */
  runUntil(isDone: () => boolean, limits: RunLimits): boolean {
    return this.#run(limits, isDone)
  }

  #run({ untilMs, eventsMax = EVENTS_MAX }: RunLimits, isDone: () => boolean): boolean {
    const eventsEnd = this.#eventCount + eventsMax
    return withPoisonedGlobals(() => {
      let hasEnded = isDone()
      while (!hasEnded) {
        const next = this.#events.first()
        if (next === undefined || next.timeMs > untilMs) return false
        this.#events.pop()
        if (next.action === undefined) continue
        invariant(this.#eventCount < eventsEnd, `there are no more than ${eventsMax} events`)
        this.#happen(next, next.action)
        hasEnded = isDone()
      }
      return true
    })
  }

  /** A life that ends: what it planned does not happen after its end. */
  life(): SimulatedLife {
    return new SimulatedLife(this)
  }

  #happen(event: SimulatedEvent, action: () => void): void {
    invariant(event.timeMs >= this.#nowMs, 'time never goes back')
    this.#nowMs = event.timeMs
    this.#eventCount += 1
    this.#tell(event.label)
    this.trace.note(event.label, event.timeMs, event.sequence)
    action()
    this.afterEach()
  }

  #tell(label: string): void {
    const told = { timeMs: this.#nowMs, label }
    this.#recent[this.#recentCount % RECENT_MAX] = told
    this.#recentCount += 1
    this.observe(told)
  }
}

/** One start of a process: its clocks and timers, until it crashes. */
export class SimulatedLife implements Clock, Timers {
  readonly kernel: Kernel
  readonly #startMs: number
  #hasEnded = false

  constructor(kernel: Kernel) {
    this.kernel = kernel
    this.#startMs = kernel.nowMs
  }

  get hasEnded(): boolean {
    return this.#hasEnded
  }

  /** Begins at 0, as a process's own clock does. */
  nowMs(): number {
    return this.kernel.nowMs - this.#startMs
  }

  wallNowMs(): number {
    return WALL_START_MS + Math.floor(this.kernel.nowMs)
  }

  after(delayMs: number, callback: () => void, label: string = 'timer'): () => void {
    return this.kernel.after(Math.max(0, delayMs), label, () => {
      if (!this.#hasEnded) callback()
    })
  }

  end(): void {
    this.#hasEnded = true
  }
}
