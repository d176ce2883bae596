import type { ExposedMetric, ExposedSample } from './exposed-metric.ts'

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

/**
 * A histogram as prom-client exports it, for what is observed with every request: that builds a key out
 * of all labels each time, and looks buckets up by the text of their bounds.
 */
export class RequestDurations implements ExposedMetric {
  readonly name: string
  readonly help: string
  readonly type = 'histogram'
  readonly #bucketsSeconds: readonly number[]
  /** By route, method and code. */
  readonly #series = new Map<string, Map<string, Map<number, Series>>>()

  constructor({ name, help, bucketsSeconds }: RequestDurationsOptions) {
    this.name = name
    this.help = help
    this.#bucketsSeconds = bucketsSeconds
  }

  observe(request: Request, seconds: number): void {
    const series = this.#seriesOf(request)
    let bucket = 0
    while (seconds > (this.#bucketsSeconds[bucket] ?? Infinity)) bucket += 1
    series.counts[bucket] = (series.counts[bucket] ?? 0) + 1
    series.sumSeconds += seconds
  }

  samples(): readonly ExposedSample[] {
    const all = [...this.#series.values()].flatMap((byMethod) =>
      [...byMethod.values()].flatMap((byCode) => [...byCode.values()]),
    )
    return all.flatMap((series) => this.#samplesOf(series))
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

  #samplesOf({ request, counts, sumSeconds }: Series): readonly ExposedSample[] {
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
