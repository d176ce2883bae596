import type { LogRecord } from './log-record.ts'

/** With more events than this that fail in a row it is not the events: the others are not tried again. */
const RETRIED_EVENTS_MAX = 100

type Place = Pick<LogRecord, 'partition' | 'offset'>

/**
 * How often events have failed while their batch did not commit. Each event has a count of its own: two
 * that both always fail would otherwise start each other's count anew, for ever.
 */
export class Attempts {
  readonly #countByPlace: ReadonlyMap<string, number>

  private constructor(countByPlace: ReadonlyMap<string, number>) {
    this.#countByPlace = countByPlace
  }

  static readonly none: Attempts = new Attempts(new Map())

  /** Failures of an event so far; 0 when it has not failed. */
  countOf(record: Place): number {
    return this.#countByPlace.get(placeOf(record)) ?? 0
  }

  /** Whether there is room to count another event. */
  mayRetry(record: Place): boolean {
    return this.#countByPlace.size < RETRIED_EVENTS_MAX || this.countOf(record) > 0
  }

  /** With one more failure of an event. */
  with(record: Place): Attempts {
    return new Attempts(
      new Map([...this.#countByPlace, [placeOf(record), this.countOf(record) + 1]]),
    )
  }
}

function placeOf({ partition, offset }: Place): string {
  return `${partition}@${offset}`
}
