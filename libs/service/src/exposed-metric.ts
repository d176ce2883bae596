import { Gauge, type Registry } from 'prom-client'

/** What a metric that is counted outside of prom-client shows. */
export type ExposedMetric = {
  readonly name: string
  readonly help: string
  readonly type: 'counter' | 'gauge' | 'histogram'
  /** Asked at each scrape. */
  samples(): readonly ExposedSample[]
}

export type ExposedSample = {
  /** That of the metric, unless it is set: a histogram has `…_bucket`, `…_sum` and `…_count`. */
  readonly metricName?: string
  readonly labels: Readonly<Record<string, string | number>>
  readonly value: number
}

/** Shows the samples of a metric: prom-client registers instances of its own classes alone. */
class Exposed extends Gauge<never> {
  readonly #metric: ExposedMetric

  constructor(metric: ExposedMetric) {
    super({ name: metric.name, help: metric.help, registers: [] })
    this.#metric = metric
  }

  override get(): Promise<never> {
    const { name, help, type } = this.#metric
    // It is of another type than a gauge's, as far as prom-client's types know.
    return Promise.resolve({ name, help, type, values: this.#metric.samples() } as never)
  }
}

/** Adds the metric to what a scrape of the registry shows. */
export function expose(metric: ExposedMetric, registry: Registry): void {
  registry.registerMetric(new Exposed(metric))
}
