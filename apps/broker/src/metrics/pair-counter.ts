import type { ExposedMetric, ExposedSample, Metrics } from '@fairlead/service'

export type PairCounterOptions = {
  readonly name: string
  readonly help: string
  readonly labelNames: readonly [string, string]
  /** Under which values of the first label its series are shown; under its own alone unless given. */
  readonly shownAs?: (first: string) => readonly string[]
  readonly metrics: Metrics
}

/** A counter with two labels, for what is counted with every request: that of prom-client sorts and joins them each time. */
export class PairCounter implements ExposedMetric {
  readonly name: string
  readonly help: string
  readonly type = 'counter'
  readonly #labelNames: readonly [string, string]
  readonly #shownAs: (first: string) => readonly string[]
  readonly #counts = new Map<string, Map<string | number, number>>()

  constructor({ name, help, labelNames, shownAs, metrics }: PairCounterOptions) {
    this.name = name
    this.help = help
    this.#labelNames = labelNames
    this.#shownAs = shownAs ?? ((first) => [first])
    metrics.expose(this)
  }

  add(first: string, second: string | number, amount: number): void {
    let counts = this.#counts.get(first)
    if (counts === undefined) {
      counts = new Map()
      this.#counts.set(first, counts)
    }
    counts.set(second, (counts.get(second) ?? 0) + amount)
  }

  samples(): readonly ExposedSample[] {
    const [firstName, secondName] = this.#labelNames
    return Array.from(this.#counts, ([first, counts]) =>
      this.#shownAs(first).flatMap((shown) =>
        Array.from(counts, ([second, value]) => ({
          labels: { [firstName]: shown, [secondName]: second },
          value,
        })),
      ),
    ).flat()
  }
}
