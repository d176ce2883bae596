import { monitorEventLoopDelay } from 'node:perf_hooks'
import type { FastifyInstance } from 'fastify'
import {
  Counter,
  type CounterConfiguration,
  Gauge,
  type GaugeConfiguration,
  Histogram,
  type HistogramConfiguration,
  type LabelValues,
  Registry,
  collectDefaultMetrics,
} from 'prom-client'
import { type ExposedMetric, expose } from './exposed-metric.ts'
import { PlainHistogram, type PlainHistogramOptions } from './plain-histogram.ts'
import { RequestDurations } from './request-durations.ts'
import { REVISION } from './revision.ts'

const SAMPLE_MS = 10
const REQUEST_BUCKETS_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5]

/** Names a span that is recorded, by the labels that exemplars have for it. */
export type TraceIds = { readonly trace_id: string; readonly span_id: string }

export type TracedHistogram<Label extends string> = {
  observe(labels: LabelValues<Label>, value: number, trace: TraceIds | undefined): void
}

/** The metrics of one process, in the form that Prometheus scrapes. */
export class Metrics {
  readonly registry: Registry = new Registry()
  readonly #requestDurations = new RequestDurations({
    name: 'http_request_duration_seconds',
    help: 'Time from the request to the end of the response.',
    bucketsSeconds: REQUEST_BUCKETS_SECONDS,
  })

  constructor(build: { readonly service: string; readonly version: string }) {
    collectDefaultMetrics({ register: this.registry })
    this.gauge({
      name: 'build_info',
      help: 'Always 1; the labels say what runs here.',
      labelNames: ['service', 'version', 'revision', 'node'],
    }).set({ ...build, revision: REVISION, node: process.version }, 1)
    this.#eventLoopDelay()
    this.expose(this.#requestDurations)
  }

  counter<Label extends string>(options: CounterConfiguration<Label>): Counter<Label> {
    return new Counter({ ...options, registers: [this.registry] })
  }

  gauge<Label extends string>(options: GaugeConfiguration<Label>): Gauge<Label> {
    return new Gauge({ ...options, registers: [this.registry] })
  }

  histogram<Label extends string>(options: HistogramConfiguration<Label>): Histogram<Label> {
    return new Histogram({ ...options, registers: [this.registry] })
  }

  /** One whose values name the trace that they are of, where there is one: its exemplars, as OpenMetrics calls them. */
  tracedHistogram<Label extends string>(
    options: HistogramConfiguration<Label>,
  ): TracedHistogram<Label> {
    // Where it is to be registered by itself, it demands a registry that has no other form.
    const histogram = new Histogram({ ...options, enableExemplars: true, registers: [] })
    this.registry.registerMetric(histogram)
    return {
      observe: (labels, value, trace) => {
        // Labels of exemplars are others than those of the metric, which prom-client's types do not know.
        const exemplarLabels = { ...trace } as LabelValues<Label>
        histogram.observe({ labels, value, exemplarLabels })
      },
    }
  }

  plainHistogram(options: PlainHistogramOptions): PlainHistogram {
    const histogram = new PlainHistogram(options)
    this.expose(histogram)
    return histogram
  }

  /** Times the requests of the server, beside those of others that were given before. */
  measureRequests(http: FastifyInstance): void {
    const durations = this.#requestDurations
    http.addHook('onResponse', ({ method, routeOptions }, { statusCode, elapsedTime }, done) => {
      // A path that is no route is whatever somebody made up.
      const route = routeOptions.url ?? 'unknown'
      durations.observe({ method, route, code: statusCode }, elapsedTime / 1_000)
      done()
    })
  }

  /** Shows a metric that is counted outside of prom-client. */
  expose(metric: ExposedMetric): void {
    expose(metric, this.registry)
  }

  /** Since the last scrape: prom-client's own lag metrics are for the whole life of the process. */
  #eventLoopDelay(): void {
    const delay = monitorEventLoopDelay({ resolution: SAMPLE_MS })
    delay.enable()
    this.gauge({
      name: 'event_loop_delay_p99_seconds',
      help: 'p99 of the delay of the event loop since the last scrape.',
      collect() {
        // What is recorded is the time between two samples, of which so much was intended.
        this.set(Math.max(delay.percentile(99) / 1e6 - SAMPLE_MS, 0) / 1e3)
        delay.reset()
      },
    })
  }
}
