import type { RejectedRecords } from '@fairlead/log'
import type { Metrics } from '@fairlead/service'
import type { Counter } from 'prom-client'
import { METRIC_TOPICS_MAX } from '../limits.ts'
import { TopicCounter } from './topic-counter.ts'

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
  readonly #failedFetchRequests: TopicCounter
  readonly #rejected: Readonly<Record<RejectedRecords, Counter>>

  constructor(metrics: Metrics) {
    const topicCounter = (name: string, help: string): TopicCounter =>
      new TopicCounter({ name: `kafka_server_brokertopicmetrics_${name}_total`, help, metrics })
    this.#bytesIn = topicCounter('bytesin', 'Bytes of record batches appended.')
    this.#bytesOut = topicCounter('bytesout', 'Bytes of record batches sent to consumers.')
    this.#bytesRejected = topicCounter('bytesrejected', 'Bytes of record batches refused.')
    this.#messagesIn = topicCounter('messagesin', 'Records appended.')
    this.#produceRequests = topicCounter('totalproducerequests', 'Partitions written to.')
    this.#fetchRequests = topicCounter('totalfetchrequests', 'Topics read from.')
    this.#failedProduceRequests = topicCounter('failedproducerequests', 'Writes refused.')
    this.#failedFetchRequests = topicCounter('failedfetchrequests', 'Reads refused.')
    const rejected = (name: string, help: string): Counter =>
      metrics.counter({ name: `kafka_server_brokertopicmetrics_${name}_total`, help })
    this.#rejected = {
      noKeyCompactedTopic: rejected(
        'nokeycompactedtopicrecords',
        'Batches refused: a record has no key, and the topic is compacted.',
      ),
      invalidMagicNumber: rejected(
        'invalidmagicnumberrecords',
        'Batches refused: of another format than that of magic 2.',
      ),
      invalidMessageCrc: rejected(
        'invalidmessagecrcrecords',
        'Batches refused: the checksum does not match.',
      ),
      invalidOffsetOrSequence: rejected(
        'invalidoffsetorsequencerecords',
        'Batches refused: of offsets or sequences that contradict their records.',
      ),
    }
  }

  produced(topic: string, appended: { readonly bytes: number; readonly records: number }): void {
    this.#add(this.#produceRequests, topic, 1)
    this.#add(this.#bytesIn, topic, appended.bytes)
    this.#add(this.#messagesIn, topic, appended.records)
  }

  produceFailed(topic: string, bytes: number, rejected?: RejectedRecords): void {
    if (rejected !== undefined) this.#rejected[rejected].inc()
    this.#add(this.#produceRequests, topic, 1)
    this.#add(this.#failedProduceRequests, topic, 1)
    this.#add(this.#bytesRejected, topic, bytes)
  }

  fetched(topic: string, bytes: number): void {
    this.#add(this.#fetchRequests, topic, 1)
    if (bytes > 0) this.#add(this.#bytesOut, topic, bytes)
  }

  fetchFailed(topic: string): void {
    this.#add(this.#failedFetchRequests, topic, 1)
  }

  /** A deleted topic takes its series along. */
  topicsDeleted(topics: readonly string[]): void {
    for (const topic of topics) {
      if (!this.#topics.delete(topic)) continue
      for (const counter of this.#topicCounters()) counter.remove(topic)
    }
  }

  #add(counter: TopicCounter, topic: string, amount: number): void {
    counter.add(amount, this.#hasSeries(topic) ? topic : undefined)
  }

  #hasSeries(topic: string): boolean {
    if (this.#topics.has(topic)) return true
    if (topic === '' || this.#topics.size >= METRIC_TOPICS_MAX) return false
    this.#topics.add(topic)
    return true
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
      this.#failedFetchRequests,
    ]
  }
}
