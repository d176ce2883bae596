import type { Metrics } from '@fairlead/service'
import type { Counter } from 'prom-client'

/** How much detail metrics show; the keys `metrics.…` of the configuration. */
export type SeriesConfig = {
  readonly 'metrics.partition.detail': 'leader' | 'topic' | 'off'
  readonly 'metrics.topic.include': string
  readonly 'metrics.topic.exclude': string
  readonly 'metrics.series.max': number
}

/**
 * Which topics and partitions get series of their own. A scrape must stay readable, whatever clients
 * create: series beyond the limit of a metric are left out, and counted.
 */
export class Series {
  readonly #config: SeriesConfig
  readonly #include: RegExp
  readonly #exclude: RegExp
  readonly #dropped: Counter

  /** @throws {SyntaxError} for an invalid expression. */
  constructor(metrics: Metrics, config: SeriesConfig) {
    this.#config = config
    this.#include = wholeName(config['metrics.topic.include'])
    this.#exclude = wholeName(config['metrics.topic.exclude'])
    this.#dropped = metrics.counter({
      name: 'metrics_series_dropped_total',
      help: 'Series that were left out of scrapes for metrics.series.max.',
    })
  }

  get hasPartitions(): boolean {
    return this.#config['metrics.partition.detail'] === 'leader'
  }

  hasTopic(topic: string): boolean {
    return (
      this.#config['metrics.partition.detail'] !== 'off' &&
      this.#include.test(topic) &&
      !this.#exclude.test(topic)
    )
  }

  /** Asked once per series of a metric in a scrape: false when there are enough. */
  limit(): () => boolean {
    let taken = 0
    return () => {
      taken += 1
      if (taken <= this.#config['metrics.series.max']) return true
      this.#dropped.inc()
      return false
    }
  }
}

export function wholeName(pattern: string): RegExp {
  return new RegExp(`^(?:${pattern})$`)
}
