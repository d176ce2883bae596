import type { PendingTransaction, RoutedEvent, UnroutableEvent } from '@fairlead/cdc'
import type pg from 'pg'
import type { RelayMetrics } from '../metrics.ts'
import type { RelayOptions } from '../options.ts'
import type { EventOrigin } from '../parked/stored-event.ts'
import type { EventEncoder } from '../sink/event-encoder.ts'
import { type Interlude, Publisher } from '../sink/publisher.ts'
import type { SinkClients } from '../sink/sink-clients.ts'
import { TailStore } from '../sink/tail-store.ts'
import { Topics } from '../sink/topics.ts'
import { type ParkedEvent, ParkedEvents } from '../source/parked-events.ts'

const NO_INTERLUDE: Interlude = { isDue: false, step: () => Promise.resolve() }
/** Nothing is confirmed for what does not come from the log. */
const NO_TRANSACTION: PendingTransaction = {
  eventReceived: () => undefined,
  eventAcknowledged: () => undefined,
}

export type TablePublisherParts = {
  readonly control: pg.Client
  readonly options: RelayOptions
  /** Of the records' header `cdc.source`. */
  readonly source: string
  readonly sink: SinkClients
  readonly encoder: EventEncoder | undefined
  readonly metrics: RelayMetrics
  readonly isPermitted: () => boolean
  readonly wallNowMs: () => number
  onParked(events: readonly ParkedEvent[]): void
}

/** Publishes rows that do not come from the log by the rules of those that do: order, parking, limits. */
export class TablePublisher {
  readonly #publisher: Publisher
  readonly #queueBytesMax: number
  readonly #running: Promise<void>
  #eventCount = 0
  #onProgress: (() => void) | undefined

  static async open(parts: TablePublisherParts): Promise<TablePublisher> {
    const { options, control } = parts
    const parked = await ParkedEvents.load(control, {
      slotName: options.source.slotName,
      keysMax: options.parkedKeysMax,
    })
    return new TablePublisher(parts, parked)
  }

  private constructor(parts: TablePublisherParts, parked: ParkedEvents) {
    const { options, sink, source } = parts
    this.#queueBytesMax = options.sink.queueBytesMax
    this.#publisher = new Publisher({
      ...options.sink,
      producer: sink.producer,
      topics: new Topics({
        admin: sink.admin,
        reader: sink.reader,
        source,
        creation: options.sink.topicCreation,
        singlePartitionTopic: options.transactionTopic,
        batches: options.sink,
        isEncoded: parts.encoder !== undefined,
        tails: new TailStore(),
      }),
      encoder: parts.encoder,
      isPermitted: parts.isPermitted,
      interlude: NO_INTERLUDE,
      slotName: options.source.slotName,
      metrics: parts.metrics,
      wallNowMs: parts.wallNowMs,
      onParked: (events) => parts.onParked(events),
      onProgress: () => this.#onProgress?.(),
    })
    this.#running = this.#publisher.run(parked)
    // The failure is that of whoever waits; there may be nobody yet.
    this.#running.catch(() => undefined)
  }

  /** Given to `publish` so far. */
  get eventCount(): number {
    return this.#eventCount
  }

  /** Resolves when there is room for the next one. @throws {SessionFailure} */
  async publish(event: RoutedEvent | UnroutableEvent, origin: EventOrigin): Promise<void> {
    this.#eventCount += 1
    this.#publisher.enqueue(event, origin, NO_TRANSACTION)
    while (this.#publisher.pendingBytes > this.#queueBytesMax) {
      const progress = new Promise<void>((resolve) => {
        this.#onProgress = resolve
      })
      await Promise.race([progress, this.#running])
    }
  }

  /** Resolves when every event is published or parked. @throws {SessionFailure} */
  async finish(): Promise<void> {
    await Promise.race([this.#publisher.idle(), this.#running])
  }

  async close(): Promise<void> {
    this.#publisher.stop()
    await this.#running.catch(() => undefined)
  }
}
