import { Histogram, type HistogramConfiguration } from 'prom-client'

/**
 * A histogram without labels, where a value costs an addition: prom-client looks labels up for each value, and
 * that takes as long as everything else about an event.
 */
export class PlainHistogram extends Histogram<never> {
  readonly #options: HistogramConfiguration<never>
  readonly #bounds: readonly number[]
  /** By bound; the last one is of what is above all of them. */
  readonly #counts: number[]
  #sum = 0

  constructor(options: HistogramConfiguration<never> & { readonly buckets: number[] }) {
    super(options)
    this.#options = options
    this.#bounds = options.buckets
    this.#counts = [...options.buckets, Number.POSITIVE_INFINITY].map(() => 0)
  }

  /** The value was seen so many times. */
  add(value: number, count = 1): void {
    let bucket = 0
    while (bucket < this.#bounds.length && value > (this.#bounds[bucket] ?? 0)) bucket += 1
    this.#counts[bucket] = (this.#counts[bucket] ?? 0) + count
    this.#sum += value * count
  }

  /** What prom-client asks of a metric. */
  getForPromString() {
    const { name, help } = this.#options
    let total = 0
    const buckets = this.#counts.map((count, index) => {
      total += count
      const le = this.#bounds[index] ?? '+Inf'
      return { metricName: `${name}_bucket`, labels: { le }, sharedLabels: {}, value: total }
    })
    const plain = { labels: {}, sharedLabels: {} }
    const values = [
      ...buckets,
      { metricName: `${name}_sum`, ...plain, value: this.#sum },
      { metricName: `${name}_count`, ...plain, value: total },
    ]
    return Promise.resolve({ name, help, type: 'histogram', aggregator: 'sum', values })
  }
}
