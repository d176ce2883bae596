import type { Clock } from '@fairlead/base'
import type { Metrics } from '@fairlead/service'
import type { Counter } from 'prom-client'
import { METRIC_TOPICS_MAX } from '../limits.ts'
import { QuantileSummary } from './quantile-summary.ts'

/** Those that Kafka exports. */
const QUANTILES = [0.5, 0.75, 0.95, 0.98, 0.99, 0.999]

type TopicCounter = Counter<'topic'>

/**
 * What happens, counted under the names that Kafka's JMX exporter gives, so that dashboards made for
 * Kafka work. Topic counters exist once without a topic (the total) and once per topic.
 */
export class BrokerMetrics {
  readonly #topics = new Set<string>()
  readonly #bytesIn: TopicCounter
  readonly #bytesOut: TopicCounter
  readonly #bytesRejected: TopicCounter
  readonly #messagesIn: TopicCounter
  readonly #produceRequests: TopicCounter
  readonly #fetchRequests: TopicCounter
  readonly #failedProduceRequests: TopicCounter
  readonly #requests: Counter<'request' | 'version'>
  readonly #errors: Counter<'request' | 'error'>
  readonly #totalTimeMs: QuantileSummary
  readonly #clock: Clock

  constructor({ metrics, clock }: { readonly metrics: Metrics; readonly clock: Clock }) {
    this.#clock = clock
    const topicCounter = (name: string, help: string): TopicCounter =>
      metrics.counter({
        name: `kafka_server_brokertopicmetrics_${name}_total`,
        help,
        labelNames: ['topic'],
      })
    this.#bytesIn = topicCounter('bytesin', 'Bytes of record batches appended.')
    this.#bytesOut = topicCounter('bytesout', 'Bytes of record batches sent to consumers.')
    this.#bytesRejected = topicCounter('bytesrejected', 'Bytes of record batches refused.')
    this.#messagesIn = topicCounter('messagesin', 'Records appended.')
    this.#produceRequests = topicCounter('totalproducerequests', 'Partitions written to.')
    this.#fetchRequests = topicCounter('totalfetchrequests', 'Topics read from.')
    this.#failedProduceRequests = topicCounter('failedproducerequests', 'Writes refused.')
    this.#requests = metrics.counter({
      name: 'kafka_network_requestmetrics_requests_total',
      help: 'Requests by API and version.',
      labelNames: ['request', 'version'],
    })
    this.#errors = metrics.counter({
      name: 'kafka_network_requestmetrics_errors_total',
      help: 'Requests that ended their connection, by API and cause.',
      labelNames: ['request', 'error'],
    })
    this.#totalTimeMs = new QuantileSummary({
      name: 'kafka_network_requestmetrics_totaltimems',
      help: 'Time from the complete frame to the response, in milliseconds.',
      labelName: 'request',
      quantiles: QUANTILES,
      metrics,
    })
  }

  produced(topic: string, appended: { readonly bytes: number; readonly records: number }): void {
    this.#add(this.#produceRequests, topic, 1)
    this.#add(this.#bytesIn, topic, appended.bytes)
    this.#add(this.#messagesIn, topic, appended.records)
  }

  produceFailed(topic: string, bytes: number): void {
    this.#add(this.#produceRequests, topic, 1)
    this.#add(this.#failedProduceRequests, topic, 1)
    this.#add(this.#bytesRejected, topic, bytes)
  }

  fetched(topic: string, bytes: number): void {
    this.#add(this.#fetchRequests, topic, 1)
    if (bytes > 0) this.#add(this.#bytesOut, topic, bytes)
  }

  answered(request: string, version: number, durationMs: number): void {
    this.#requests.inc({ request, version })
    this.#totalTimeMs.observe(request, durationMs, this.#clock.nowMs())
  }

  failed(request: string, error: string): void {
    this.#errors.inc({ request, error })
  }

  /** A deleted topic takes its series along. */
  topicsDeleted(topics: readonly string[]): void {
    for (const topic of topics) {
      if (!this.#topics.delete(topic)) continue
      for (const counter of this.#topicCounters()) counter.remove({ topic })
    }
  }

  #add(counter: TopicCounter, topic: string, amount: number): void {
    counter.inc(amount)
    if (!this.#topics.has(topic)) {
      if (topic === '' || this.#topics.size >= METRIC_TOPICS_MAX) return
      this.#topics.add(topic)
    }
    counter.inc({ topic }, amount)
  }

  #topicCounters(): readonly TopicCounter[] {
    return [
      this.#bytesIn,
      this.#bytesOut,
      this.#bytesRejected,
      this.#messagesIn,
      this.#produceRequests,
      this.#fetchRequests,
      this.#failedProduceRequests,
    ]
  }
}
