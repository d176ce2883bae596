import type { ExposedMetric, ExposedSample, Metrics } from '@fairlead/service'
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
 * A summary with one label or none, as prom-client's is exported, for what is observed with every request: that
 * keeps a digest for each part of its window, which costs several microseconds each time.
 */
export class QuantileSummary implements ExposedMetric {
  readonly name: string
  readonly help: string
  readonly type = 'summary'
  readonly #labelName: string | undefined
  readonly #shownAs: (label: string) => readonly string[]
  readonly #quantiles: readonly number[]
  readonly #series = new Map<string, Series>()

  constructor({ name, help, labelName, shownAs, quantiles, metrics }: QuantileSummaryOptions) {
    this.name = name
    this.help = help
    this.#labelName = labelName
    this.#shownAs = shownAs ?? ((label) => [label])
    this.#quantiles = quantiles
    metrics.expose(this)
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

  samples(): readonly ExposedSample[] {
    return Array.from(this.#series, ([label, series]) =>
      this.#shownAs(label).flatMap((shown) => this.#samplesOf(shown, series)),
    ).flat()
  }

  #samplesOf(label: string, { quantiles, count, sum }: Series): readonly ExposedSample[] {
    const labels = this.#labelName === undefined ? {} : { [this.#labelName]: label }
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
