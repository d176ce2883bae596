import type { ExposedSample, Metrics } from '@fairlead/service'
import { DecayingQuantiles } from './decaying-quantiles.ts'

export type QuantileSummaryOptions = {
  readonly name: string
  readonly help: string
  /** Left out where there is one series, without a label. */
  readonly labelName?: string
  /** Under which labels a series is shown; under its own alone unless given. */
  readonly shownAs?: (label: string) => readonly string[]
  /** From 0 to 1, ascending. */
  readonly quantiles: readonly number[]
  readonly metrics: Metrics
}

type Series = { readonly quantiles: DecayingQuantiles; count: number; sum: number }

/**
 * Quantiles, count and sum of what is observed with every request: the summary of prom-client keeps a
 * digest for each part of its window, which costs several microseconds each time.
 *
 * They are exported as Kafka's JMX exporter does, for which dashboards are made: quantiles are gauges,
 * and have two decimals at least (`0.50`); Prometheus would write those of a summary anew (`0.5`).
 */
export class QuantileSummary {
  readonly #labelName: string | undefined
  readonly #shownAs: (label: string) => readonly string[]
  readonly #quantiles: readonly number[]
  readonly #series = new Map<string, Series>()

  constructor({ name, help, labelName, shownAs, quantiles, metrics }: QuantileSummaryOptions) {
    this.#labelName = labelName
    this.#shownAs = shownAs ?? ((label) => [label])
    this.#quantiles = quantiles
    metrics.expose({
      name,
      help,
      type: 'gauge',
      samples: () =>
        this.#samples((series) => {
          const values = series.quantiles.values(this.#quantiles)
          return this.#quantiles.map((quantile, index) => ({
            labels: { quantile: quantileLabel(quantile) },
            value: values[index] ?? 0,
          }))
        }),
    })
    for (const part of ['count', 'sum'] as const) {
      metrics.expose({
        name: `${name}_${part}`,
        help: `${help} The ${part}.`,
        type: 'counter',
        samples: () => this.#samples((series) => [{ labels: {}, value: series[part] }]),
      })
    }
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

  #samples(read: (series: Series) => readonly ExposedSample[]): readonly ExposedSample[] {
    return Array.from(this.#series, ([label, series]) => {
      const samples = read(series)
      return this.#shownAs(label).flatMap((shown) => {
        const own = this.#labelName === undefined ? {} : { [this.#labelName]: shown }
        return samples.map(({ labels, value }) => ({ labels: { ...labels, ...own }, value }))
      })
    }).flat()
  }
}

function quantileLabel(quantile: number): string {
  const text = String(quantile)
  return text.length < '0.50'.length ? quantile.toFixed(2) : text
}
