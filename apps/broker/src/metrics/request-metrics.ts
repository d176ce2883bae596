import type { Clock } from '@fairlead/base'
import { type ApiName, responseErrors } from '@fairlead/protocol'
import type { Metrics } from '@fairlead/service'
import { PairCounter } from './pair-counter.ts'
import { QuantileSummary } from './quantile-summary.ts'

/** Those that Kafka's JMX exporter gives. */
export const REQUEST_QUANTILES: readonly number[] = [0.5, 0.75, 0.95, 0.98, 0.99, 0.999]

/** Kafka counts a fetch a second time under the name of who fetches: there are only consumers. */
function shownAs(name: string): readonly string[] {
  return name === 'Fetch' ? ['Fetch', 'FetchConsumer'] : [name]
}

/** Of one request, in milliseconds. */
export type RequestTimes = {
  /** On the event loop: decoding, the handler up to its first wait, encoding. */
  readonly localMs: number
  /** From there until it could be answered: for the disk, other requests, more records. */
  readonly remoteMs: number
}

/** What is known of a response once it is on its way. */
export type SentTimes = {
  /** Behind the responses to earlier requests of its connection. */
  readonly queueMs: number
  /** Until the kernel had taken all of it. */
  readonly sendMs: number
}

/** Requests by API, under the names that Kafka's JMX exporter gives to `RequestMetrics`. */
export class RequestMetrics {
  readonly #clock: Clock
  readonly #requests: PairCounter
  readonly #errors: PairCounter
  readonly #requestBytes: QuantileSummary
  readonly #totalTimeMs: QuantileSummary
  readonly #requestQueueTimeMs: QuantileSummary
  readonly #localTimeMs: QuantileSummary
  readonly #remoteTimeMs: QuantileSummary
  readonly #responseQueueTimeMs: QuantileSummary
  readonly #responseSendTimeMs: QuantileSummary

  constructor({ metrics, clock }: { readonly metrics: Metrics; readonly clock: Clock }) {
    this.#clock = clock
    const summary = (name: string, help: string): QuantileSummary =>
      new QuantileSummary({
        name: `kafka_network_requestmetrics_${name}`,
        help,
        labelName: 'request',
        shownAs,
        quantiles: REQUEST_QUANTILES,
        metrics,
      })
    this.#requests = new PairCounter({
      name: 'kafka_network_requestmetrics_requests_total',
      help: 'Requests by API and version.',
      labelNames: ['request', 'version'],
      shownAs,
      metrics,
    })
    this.#errors = new PairCounter({
      name: 'kafka_network_requestmetrics_errors_total',
      help: 'Error codes of responses, NONE included; by class, what ended a connection instead.',
      labelNames: ['request', 'error'],
      shownAs,
      metrics,
    })
    this.#requestBytes = summary('requestbytes', 'Size of the frame.')
    this.#totalTimeMs = summary('totaltimems', 'From the complete frame to the response.')
    this.#requestQueueTimeMs = summary(
      'requestqueuetimems',
      'Until the request is begun: it is with its last byte.',
    )
    this.#localTimeMs = summary('localtimems', 'On the event loop.')
    this.#remoteTimeMs = summary('remotetimems', 'In wait for the disk, for others, for records.')
    this.#responseQueueTimeMs = summary(
      'responsequeuetimems',
      'Behind responses to earlier requests of the connection.',
    )
    this.#responseSendTimeMs = summary('responsesendtimems', 'Until the kernel took the response.')
  }

  answered(
    name: ApiName,
    request: { readonly version: number; readonly sizeBytes: number; readonly response: object },
    { localMs, remoteMs }: RequestTimes,
  ): void {
    const nowMs = this.#clock.nowMs()
    this.#requests.add(name, request.version, 1)
    for (const [error, count] of responseErrors(name, request.response)) {
      this.#errors.add(name, error, count)
    }
    this.#requestBytes.observe(name, request.sizeBytes, nowMs)
    this.#totalTimeMs.observe(name, localMs + remoteMs, nowMs)
    this.#requestQueueTimeMs.observe(name, 0, nowMs)
    this.#localTimeMs.observe(name, localMs, nowMs)
    this.#remoteTimeMs.observe(name, remoteMs, nowMs)
  }

  sent(name: ApiName, { queueMs, sendMs }: SentTimes): void {
    const nowMs = this.#clock.nowMs()
    this.#responseQueueTimeMs.observe(name, queueMs, nowMs)
    this.#responseSendTimeMs.observe(name, sendMs, nowMs)
  }

  /** The request ended its connection. */
  failed(name: ApiName, error: string): void {
    this.#errors.add(name, error, 1)
  }
}
