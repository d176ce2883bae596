import type { Metric, Registry } from 'prom-client'
import { DecayingQuantiles } from './decaying-quantiles.ts'

export type QuantileSummaryOptions = {
  readonly name: string
  readonly help: string
  readonly labelName: string
  /** From 0 to 1, ascending. */
  readonly quantiles: readonly number[]
  readonly registry: Registry
}

type Series = { readonly quantiles: DecayingQuantiles; count: number; sum: number }

type Sample = {
  readonly metricName?: string
  readonly labels: Readonly<Record<string, string | number>>
  readonly value: number
}

/**
 * A summary with one label, as prom-client's is exported, for what is observed with every request: that
 * keeps a digest for each part of its window, which costs several microseconds each time.
 */
export class QuantileSummary {
  readonly name: string
  readonly help: string
  readonly type = 'summary'
  readonly aggregator = 'sum'
  readonly #labelName: string
  readonly #quantiles: readonly number[]
  readonly #series = new Map<string, Series>()

  constructor({ name, help, labelName, quantiles, registry }: QuantileSummaryOptions) {
    this.name = name
    this.help = help
    this.#labelName = labelName
    this.#quantiles = quantiles
    // Of a metric the registry asks nothing but its name and `get`, which its types do not say.
    registry.registerMetric(this as unknown as Metric)
  }

  observe(label: string, value: number, nowMs: number): void {
    let series = this.#series.get(label)
    if (series === undefined) {
      series = { quantiles: new DecayingQuantiles(nowMs), count: 0, sum: 0 }
      this.#series.set(label, series)
    }
    series.quantiles.observe(value, nowMs)
    series.count += 1
    series.sum += value
  }

  async get(): Promise<object> {
    const { name, help, type, aggregator } = this
    const values = Array.from(this.#series, ([label, series]) => this.#samples(label, series))
    return { name, help, type, aggregator, values: values.flat() }
  }

  #samples(label: string, { quantiles, count, sum }: Series): readonly Sample[] {
    const labels = { [this.#labelName]: label }
    const values = quantiles.values(this.#quantiles)
    return [
      ...this.#quantiles.map((quantile, index) => ({
        labels: { quantile, ...labels },
        value: values[index] ?? 0,
      })),
      { metricName: `${this.name}_sum`, labels, value: sum },
      { metricName: `${this.name}_count`, labels, value: count },
    ]
  }
}
