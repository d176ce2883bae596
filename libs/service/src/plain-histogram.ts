import type { ExposedMetric, ExposedSample } from './exposed-metric.ts'

export type PlainHistogramOptions = {
  readonly name: string
  readonly help: string
  /** Upper bounds, ascending. */
  readonly buckets: readonly number[]
}

/**
 * A histogram without labels, where a value costs an addition: prom-client looks labels up for each value, and
 * that takes as long as everything else about an event.
 */
export class PlainHistogram implements ExposedMetric {
  readonly name: string
  readonly help: string
  readonly type = 'histogram'
  readonly #bounds: readonly number[]
  /** By bound; the last one is of what is above all of them. */
  readonly #counts: number[]
  #sum = 0

  constructor({ name, help, buckets }: PlainHistogramOptions) {
    this.name = name
    this.help = help
    this.#bounds = buckets
    this.#counts = [...buckets, Number.POSITIVE_INFINITY].map(() => 0)
  }

  /** The value was seen so many times. */
  add(value: number, count = 1): void {
    let bucket = 0
    while (bucket < this.#bounds.length && value > (this.#bounds[bucket] ?? 0)) bucket += 1
    this.#counts[bucket] = (this.#counts[bucket] ?? 0) + count
    this.#sum += value * count
  }

  samples(): readonly ExposedSample[] {
    let total = 0
    const buckets = this.#counts.map((count, index) => {
      total += count
      const le = this.#bounds[index] ?? '+Inf'
      return { metricName: `${this.name}_bucket`, labels: { le }, value: total }
    })
    return [
      ...buckets,
      { metricName: `${this.name}_sum`, labels: {}, value: this.#sum },
      { metricName: `${this.name}_count`, labels: {}, value: total },
    ]
  }
}
