import type { Metrics } from '@fairlead/service'

export type RequestDurationsOptions = {
  readonly name: string
  readonly help: string
  /** Upper bounds, ascending. */
  readonly bucketsSeconds: readonly number[]
}

type Request = { readonly method: string; readonly route: string; readonly code: number }

type Series = {
  readonly request: Request
  /** Of each bucket alone, and of what is beyond the last one. */
  readonly counts: number[]
  sumSeconds: number
}

type Sample = {
  readonly metricName: string
  readonly labels: Readonly<Record<string, string | number>>
  readonly value: number
}

/**
 * A histogram as prom-client exports it, for what is observed with every request: that builds a key out
 * of all labels each time, and looks buckets up by the text of their bounds.
 */
export class RequestDurations {
  readonly name: string
  readonly help: string
  readonly type = 'histogram'
  readonly aggregator = 'sum'
  readonly #bucketsSeconds: readonly number[]
  /** By route, method and code. */
  readonly #series = new Map<string, Map<string, Map<number, Series>>>()

  constructor(metrics: Metrics, { name, help, bucketsSeconds }: RequestDurationsOptions) {
    this.name = name
    this.help = help
    this.#bucketsSeconds = bucketsSeconds
    // Of a metric the registry asks nothing but its name and `get`, which its types do not say.
    type Registered = Parameters<typeof metrics.registry.registerMetric>[0]
    metrics.registry.registerMetric(this as unknown as Registered)
  }

  observe(request: Request, seconds: number): void {
    const series = this.#seriesOf(request)
    let bucket = 0
    while (seconds > (this.#bucketsSeconds[bucket] ?? Infinity)) bucket += 1
    series.counts[bucket] = (series.counts[bucket] ?? 0) + 1
    series.sumSeconds += seconds
  }

  async get(): Promise<object> {
    const { name, help, type, aggregator } = this
    const all = [...this.#series.values()].flatMap((byMethod) =>
      [...byMethod.values()].flatMap((byCode) => [...byCode.values()]),
    )
    return { name, help, type, aggregator, values: all.flatMap((series) => this.#samples(series)) }
  }

  #seriesOf(request: Request): Series {
    const { method, route, code } = request
    const known = this.#series.get(route)?.get(method)?.get(code)
    if (known !== undefined) return known
    const counts = Array.from({ length: this.#bucketsSeconds.length + 1 }, () => 0)
    const series = { request, counts, sumSeconds: 0 }
    const byMethod = entryOf(this.#series, route, () => new Map<string, Map<number, Series>>())
    entryOf(byMethod, method, () => new Map<number, Series>()).set(code, series)
    return series
  }

  #samples({ request, counts, sumSeconds }: Series): readonly Sample[] {
    let count = 0
    const buckets = counts.map((ofBucket, index) => {
      count += ofBucket
      const le = this.#bucketsSeconds[index] ?? '+Inf'
      return { metricName: `${this.name}_bucket`, labels: { le, ...request }, value: count }
    })
    return [
      ...buckets,
      { metricName: `${this.name}_sum`, labels: request, value: sumSeconds },
      { metricName: `${this.name}_count`, labels: request, value: count },
    ]
  }
}

function entryOf<Key, Value>(map: Map<Key, Value>, key: Key, make: () => Value): Value {
  const known = map.get(key)
  if (known !== undefined) return known
  const made = make()
  map.set(key, made)
  return made
}
