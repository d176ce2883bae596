import { invariant } from '@fairlead/base'
import {
  type EventPosition,
  type PendingTransaction,
  type RoutedEvent,
  type UnroutableEvent,
  comparePositions,
} from '@fairlead/cdc'
import { KafkaError, PRECEDING_RECORD_REJECTED, RejectedKeys } from '@fairlead/kafka'
import { failpoint } from '../failpoint.ts'
import type { RelayMetrics } from '../metrics.ts'
import { type EventOrigin, storedRecord } from '../parked/stored-event.ts'
import type { ParkedEvent, ParkedEvents } from '../source/parked-events.ts'
import { sendDeadLetters } from './dead-letters.ts'
import type { EventEncoder } from './event-encoder.ts'
import { batchMemoryMax, eventSizeBytes, sentBytes, sizeFault } from './event-size.ts'
import { findTopic } from './find-topic.ts'
import { inParallel } from './in-parallel.ts'
import { PlacedEvent } from './placed-event.ts'
import type { EventProducer } from './sink-clients.ts'
import { sinkFailure, slotUncertain } from './sink-failure.ts'
import { type Topic, type Topics, partitionFault } from './topics.ts'

export type PublisherOptions = {
  readonly producer: EventProducer
  readonly topics: Topics
  /** Undefined when no event needs a schema registry. */
  readonly encoder: EventEncoder | undefined
  /** The slot is ours: what another relay may publish by now is neither sent nor parked. */
  readonly isPermitted: () => boolean
  readonly metrics: RelayMetrics
  readonly batchRecordsMax: number
  readonly batchBytesMax: number
  /** Of all events in memory. */
  readonly queueBytesMax: number
  /** Batches that are on their way at a time. */
  readonly batchesInFlightMax: number
  readonly recordBytesMax: number
  readonly wallNowMs: () => number
  readonly interlude: Interlude
  /** Gets a copy of every parked event; undefined for none. */
  readonly deadLetterTopic: string | undefined
  readonly slotName: string
  /** Events were parked; for the log. */
  onParked(events: readonly ParkedEvent[]): void
  /** Events became durable, so that memory is free and an LSN may be confirmed. */
  onProgress(): void
}

/** Other work that publishes. It has its turn between two batches, while nothing is on its way. */
export interface Interlude {
  readonly isDue: boolean
  /** One step of bounded size. Its failure is one of the publisher. */
  step(parked: ParkedEvents): Promise<void>
}

type Queued = {
  readonly event: RoutedEvent | UnroutableEvent
  readonly origin: EventOrigin
  readonly transaction: PendingTransaction
  readonly sizeBytes: number
}

/** Events that came with one read of the socket. */
type Arrival = { readonly atMs: number; eventCount: number }

type ToSend = { readonly queued: Queued; readonly record: PlacedEvent }
type ToPark = { readonly queued: Queued; readonly parked: ParkedEvent }

/** Topics that are opened at a time. */
const TOPICS_AT_ONCE = 16
const BLOCKED_REASON = 'an earlier event of this aggregate is parked'

/**
 * Publishes events in commit order, in batches: a batch is whatever came in while the former ones were on
 * their way. So an idle relay sends at once, and a busy one sends large batches; there is no linger to
 * tune. A full batch is made ready, and handed to the producer, while the one before it is on its way.
 *
 * For each event: what the topic holds already is skipped; what cannot be published, or comes
 * behind such an event of its aggregate, is parked; the rest is sent. Events are parked before
 * anything of their batch is sent, and acknowledged only when they are durable. Batches that are on their
 * way together share their rejected keys: of an aggregate whose event a broker refuses, nothing behind it
 * is stored, in whichever of them it is.
 *
 * Trouble of the brokers or the database parks nothing: it fails `run`, and with it the session.
 */
export class Publisher {
  readonly #options: PublisherOptions
  readonly #queue: Queued[] = []
  /** The one that is being made ready. */
  #batch: readonly Queued[] = []
  /** Batches that are on their way; what is in here never rejects. */
  readonly #inFlight = new Set<Promise<void>>()
  /** Of all batches since the last time that none was on its way. */
  #rejectedKeys = new RejectedKeys()
  #failure: { readonly error: unknown } | undefined
  #queuedBytes = 0
  #pendingBytes = 0
  /** The last one; undefined for what comes from a table. */
  #arrival: Arrival | undefined
  /** Of the events that are queued, in their order. */
  readonly #arrivals: Arrival[] = []
  /** Of the batch that is being made ready. */
  #batchArrivals: readonly Arrival[] = []
  #pendingEvents = 0
  #publishedEvents = 0
  #isStopped = false
  #wake: (() => void) | undefined
  #idleWaiters: (() => void)[] = []

  constructor(options: PublisherOptions) {
    this.#options = options
  }

  /** Of the events in memory: queued, or on their way. The session bounds it. */
  get pendingBytes(): number {
    return this.#pendingBytes
  }

  get pendingEvents(): number {
    return this.#pendingEvents
  }

  /** Since the start of the session. */
  get publishedEvents(): number {
    return this.#publishedEvents
  }

  /** What is enqueued from now on came at that time, of `performance.now()`. */
  arrivesAt(atMs: number): void {
    this.#arrival = { atMs, eventCount: 0 }
  }

  enqueue(
    event: RoutedEvent | UnroutableEvent,
    origin: EventOrigin,
    transaction: PendingTransaction,
  ): void {
    const sizeBytes = eventSizeBytes(event) + (origin.sizeBytes ?? 0)
    transaction.eventReceived()
    this.#queue.push({ event, origin, transaction, sizeBytes })
    this.#countArrival()
    this.#queuedBytes += sizeBytes
    this.#pendingBytes += sizeBytes
    this.#pendingEvents += 1
    this.#wake?.()
  }

  /** Counted by read, so that an event costs no more than an addition. */
  #countArrival(): void {
    const arrival = this.#arrival
    if (arrival === undefined) return
    if (arrival.eventCount === 0) this.#arrivals.push(arrival)
    arrival.eventCount += 1
  }

  /** Runs until `stop`. Rejects with the failure that ends the session; something may be on its way then. */
  async run(parked: ParkedEvents): Promise<void> {
    while (!this.#isStopped) await this.#step(parked)
    await this.landed()
    this.#throwFailure()
  }

  /** Resolves when nothing is on its way any more, however that went. */
  async landed(): Promise<void> {
    while (this.#inFlight.size > 0) await Promise.all(this.#inFlight)
  }

  async #step(parked: ParkedEvents): Promise<void> {
    const { interlude } = this.#options
    this.#throwFailure()
    if (this.#mayHaveTurn()) await interlude.step(parked)
    if (this.#mayTakeBatch()) {
      const toSend = await this.#prepare(this.#takeBatch(), parked)
      this.#throwFailure()
      this.#launch(toSend, parked)
    } else if (!this.#mayHaveTurn()) await this.#nextEvent()
  }

  #throwFailure(): void {
    if (this.#failure !== undefined) throw this.#failure.error
  }

  /** The interlude. */
  #mayHaveTurn(): boolean {
    return this.#options.interlude.isDue && this.#inFlight.size === 0
  }

  /** While another one is on its way only one that would not become larger by waiting. */
  #mayTakeBatch(): boolean {
    const { batchesInFlightMax, interlude } = this.#options
    if (this.#queue.length === 0 || this.#isStopped) return false
    if (this.#inFlight.size === 0) return true
    return !interlude.isDue && this.#inFlight.size < batchesInFlightMax && this.#isBatchFull()
  }

  #isBatchFull(): boolean {
    const { batchRecordsMax, batchBytesMax } = this.#options
    const count = this.#queue.length
    return (
      count >= batchRecordsMax ||
      this.#queuedBytes >= this.#batchMemoryMax ||
      sentBytes(this.#queuedBytes, count) >= batchBytesMax
    )
  }

  /** What a batch may take of the memory: one more of them comes in while the others are on their way. */
  get #batchMemoryMax(): number {
    return batchMemoryMax(this.#options)
  }

  /** The interlude is due. */
  wake(): void {
    this.#wake?.()
  }

  /** Takes no further batch; the one on its way goes on. */
  stop(): void {
    this.#isStopped = true
    this.#wake?.()
  }

  /** Resolves when every event is durable. */
  async idle(): Promise<void> {
    if (this.#pendingEvents === 0) return
    await new Promise<void>((resolve) => this.#idleWaiters.push(resolve))
  }

  /** Waits for the end of the turn that brought it, so that all of one socket read is one batch. */
  async #nextEvent(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#wake = resolve
    })
    this.#wake = undefined
    await new Promise<void>((resolve) => setImmediate(resolve))
  }

  /**
   * Bounded by what is sent, and by its share of what may be in memory. A small event takes several times as
   * much in memory as in a request. It ends before a topic too many that is not open: opening takes time,
   * and nothing is durable until then.
   */
  #takeBatch(): readonly Queued[] {
    const { batchRecordsMax, batchBytesMax, topics } = this.#options
    const unopened = new Set<string>()
    let count = 0
    let sizeBytes = 0
    for (const queued of this.#queue) {
      const { event } = queued
      if (count === batchRecordsMax) break
      const withIt = sizeBytes + queued.sizeBytes
      const isTooMuch =
        sentBytes(withIt, count + 1) > batchBytesMax || withIt > this.#batchMemoryMax
      if (count > 0 && isTooMuch) break
      if (event.kind === 'routed' && topics.known(event.topic) === undefined) {
        unopened.add(event.topic)
        if (unopened.size > TOPICS_AT_ONCE) break
      }
      count += 1
      sizeBytes = withIt
    }
    this.#batch = this.#queue.splice(0, count)
    this.#queuedBytes -= sizeBytes
    this.#batchArrivals = this.#takeArrivals(count)
    return this.#batch
  }

  /** Of the first events of the queue. */
  #takeArrivals(eventCount: number): readonly Arrival[] {
    const taken: Arrival[] = []
    let left = eventCount
    let oldest = this.#arrivals[0]
    while (left > 0 && oldest !== undefined) {
      const count = Math.min(left, oldest.eventCount)
      taken.push({ atMs: oldest.atMs, eventCount: count })
      left -= count
      oldest.eventCount -= count
      if (oldest.eventCount === 0) this.#arrivals.shift()
      oldest = this.#arrivals[0]
    }
    return taken
  }

  /** Opens the topics of all events that wait, so that the next session can begin with them. */
  async openTopics(): Promise<void> {
    const { topics } = this.#options
    await inParallel(TOPICS_AT_ONCE, topicsOf([...this.#batch, ...this.#queue]), async (name) => {
      if (topics.known(name) === undefined) await findTopic(topics, name)
    })
  }

  /** Does with the events of a batch all but send them; answers those that are to be sent. */
  async #prepare(taken: readonly Queued[], parked: ParkedEvents): Promise<readonly ToSend[]> {
    const batch = taken.every(({ event }) => isWhole(event)) ? taken : await this.#allWhole(taken)
    const topics = await this.#opened(batch)
    const toSend: ToSend[] = []
    const toPark: ToPark[] = []
    const published: Queued[] = []
    for (const queued of batch) {
      const { event } = queued
      const topic = event.kind === 'routed' ? topics.get(event.topic) : undefined
      const decision = this.#decide(queued, topic, parked)
      if (decision === 'published') published.push(queued)
      else if ('record' in decision) toSend.push(decision)
      else toPark.push(decision)
    }
    this.#acknowledge(published, 'duplicate')
    await this.#park(toPark, parked)
    this.#batch = []
    return toSend
  }

  #launch(toSend: readonly ToSend[], parked: ParkedEvents): void {
    if (this.#inFlight.size === 0) this.#rejectedKeys = new RejectedKeys()
    const handedOverAtMs = performance.now()
    for (const { atMs, eventCount } of this.#batchArrivals) {
      this.#options.metrics.eventsEncoded(handedOverAtMs - atMs, eventCount)
    }
    const flight = this.#send(toSend, parked, handedOverAtMs).then(
      () => this.#options.onProgress(),
      (error: unknown) => {
        this.#failure ??= { error }
      },
    )
    const landed = flight.then(() => {
      this.#inFlight.delete(landed)
      this.#wake?.()
    })
    this.#inFlight.add(landed)
  }

  /** The topics of a batch, by name; the error of one that cannot be. */
  async #opened(batch: readonly Queued[]): Promise<ReadonlyMap<string, Topic | KafkaError>> {
    const { topics } = this.#options
    const found = new Map<string, Topic | KafkaError>()
    const unopened: string[] = []
    for (const name of topicsOf(batch)) {
      const known = topics.known(name)
      if (known === undefined) unopened.push(name)
      else found.set(name, known)
    }
    if (unopened.length === 0) return found
    await inParallel(TOPICS_AT_ONCE, unopened, async (name) => {
      found.set(name, await findTopic(topics, name))
    })
    return found
  }

  async #allWhole(taken: readonly Queued[]): Promise<readonly Queued[]> {
    const batch: Queued[] = []
    for (const item of taken) batch.push(isWhole(item.event) ? item : await this.#whole(item))
    return batch
  }

  /** With what the schema registry has to do. */
  async #whole(queued: Queued): Promise<Queued> {
    const { encoder } = this.#options
    const { event } = queued
    if (event.kind === 'unroutable' || encoder === undefined) return queued
    return { ...queued, event: await encoder.encode(event) }
  }

  #decide(
    queued: Queued,
    topic: Topic | KafkaError | undefined,
    parked: ParkedEvents,
  ): ToSend | ToPark | 'published' {
    const { event } = queued
    const { position } = event
    if (parked.isSettled(position)) return 'published'
    if (event.kind === 'unroutable') return failed(queued, parked, event.code, event.reason)
    invariant(topic !== undefined, 'the topic of a routed event was opened')
    if (topic instanceof KafkaError) return failed(queued, parked, topic.code, topic.message)
    const partition = event.partitionOf(topic.partitionCount)
    if (partition >= topic.partitionCount) {
      const reason = partitionFault(event.topic, partition, topic)
      return failed(queued, parked, 'INVALID_PARTITION', reason)
    }
    if (topic.holds(position, partition)) return 'published'
    if (parked.isBlocked(event)) return toPark(queued, 'blocked', 'BLOCKED', BLOCKED_REASON)
    const { recordBytesMax } = this.#options
    const fault = sizeFault(event, Math.min(recordBytesMax, topic.messageBytesMax))
    if (fault !== undefined) return failed(queued, parked, 'MESSAGE_TOO_LARGE', fault)
    return { queued, record: new PlacedEvent(event, partition) }
  }

  async #park(toPark: readonly ToPark[], parked: ParkedEvents): Promise<void> {
    if (toPark.length === 0) return
    if (!this.#options.isPermitted()) throw slotUncertain()
    const events = toPark.map((item) => item.parked)
    await parked.insert(events)
    await this.#sendDeadLetters(events)
    this.#options.onParked(events)
    this.#options.metrics.parkedKeys(parked.keyCount)
    this.#acknowledge(
      toPark.map(({ queued }) => queued),
      'parked',
    )
  }

  async #sendDeadLetters(events: readonly ParkedEvent[]): Promise<void> {
    const { deadLetterTopic: topicName } = this.#options
    if (topicName !== undefined) await sendDeadLetters(events, { ...this.#options, topicName })
  }

  async #send(
    toSend: readonly ToSend[],
    parked: ParkedEvents,
    handedOverAtMs: number,
  ): Promise<void> {
    if (toSend.length === 0) return
    const rejected = await this.#sendRecords(toSend)
    const refused = rejected.flatMap(({ recordIndex, code, message }) => {
      const sent = toSend[recordIndex]
      if (sent === undefined) return []
      if (code !== PRECEDING_RECORD_REJECTED) return [failed(sent.queued, parked, code, message)]
      parked.block(sent.queued.event)
      return [toPark(sent.queued, 'blocked', 'BLOCKED', BLOCKED_REASON)]
    })
    await this.#park(refused, parked)
    const parkedEvents = new Set(refused.map(({ queued }) => queued))
    // A transaction was aborted for them: the others go without them.
    if (refused.length > 0 && this.#options.producer.commit !== undefined) {
      return this.#send(
        toSend.filter(({ queued }) => !parkedEvents.has(queued)),
        parked,
        handedOverAtMs,
      )
    }
    const stored: Queued[] = []
    for (const { queued } of toSend) if (!parkedEvents.has(queued)) stored.push(queued)
    this.#publishedEvents += stored.length
    this.#options.metrics.eventsAcknowledged(performance.now() - handedOverAtMs, stored.length)
    this.#acknowledge(stored, 'published')
    failpoint('acknowledged')
  }

  /**
   * The records that the broker will never take; all others are stored when this resolves, or none of
   * them when they were a transaction.
   */
  async #sendRecords(toSend: readonly ToSend[]) {
    const { producer } = this.#options
    const records = toSend.map(({ record }) => record)
    const last = producer.commit === undefined ? undefined : newestOf(toSend)
    try {
      const sent =
        producer.commit === undefined || last === undefined
          ? producer.send(records, this.#rejectedKeys)
          : producer.commit(records, last)
      setImmediate(() => failpoint('sending'))
      await sent
      failpoint('stored')
      return []
    } catch (error) {
      if (error instanceof KafkaError && error.rejectedRecords.length > 0) {
        return error.rejectedRecords
      }
      throw sinkFailure(error)
    }
  }

  /** The events are durable. */
  #acknowledge(events: readonly Queued[], result: 'published' | 'duplicate' | 'parked'): void {
    if (events.length === 0) return
    const { metrics, wallNowMs } = this.#options
    const nowMs = wallNowMs()
    const countByTopic = new Counts<string>()
    const countByTime = new Counts<number>()
    for (const { event, transaction, sizeBytes } of events) {
      transaction.eventAcknowledged()
      this.#pendingBytes -= sizeBytes
      countByTopic.add(event.kind === 'routed' ? event.topic : '')
      if (result === 'published') countByTime.add(event.commitTimestampMs)
    }
    this.#pendingEvents -= events.length
    for (const [timestampMs, count] of countByTime.entries) {
      metrics.eventLag(Math.max(0, nowMs - timestampMs), count)
    }
    for (const [topic, count] of countByTopic.entries) metrics.eventsDone(topic, result, count)
    if (this.#pendingEvents > 0) return
    for (const resolve of this.#idleWaiters.splice(0)) resolve()
  }
}

/** How often each value comes, in its order; mostly it is the one that came before. */
class Counts<Value> {
  readonly #counts = new Map<Value, number>()
  #last: Value | undefined
  #lastCount = 0

  add(value: Value): void {
    if (value !== this.#last) this.#note()
    this.#last = value
    this.#lastCount += 1
  }

  get entries(): Iterable<[Value, number]> {
    this.#note()
    return this.#counts
  }

  #note(): void {
    if (this.#last !== undefined) {
      this.#counts.set(this.#last, (this.#counts.get(this.#last) ?? 0) + this.#lastCount)
    }
    this.#lastCount = 0
  }
}

/** The last one, but for rows of a snapshot: those have the position of their watermark, behind which events may have committed. */
function newestOf(toSend: readonly ToSend[]): EventPosition | undefined {
  let newest: EventPosition | undefined
  for (const { queued } of toSend) {
    const { position } = queued.event
    if (newest === undefined || comparePositions(position, newest) > 0) newest = position
  }
  return newest
}

function topicsOf(queue: readonly Queued[]): Set<string> {
  const names = new Set<string>()
  let last: string | undefined
  for (const { event } of queue) {
    if (event.kind === 'unroutable' || event.topic === last) continue
    last = event.topic
    names.add(last)
  }
  return names
}

function isWhole(event: RoutedEvent | UnroutableEvent): boolean {
  return event.kind === 'unroutable' || event.encoding === undefined
}

function recordOf(event: Queued['event']): ParkedEvent['record'] {
  if (event.kind === 'routed') return storedRecord(event)
  return event.unencoded === undefined ? null : storedRecord(event.unencoded)
}

/** Blocks the aggregate at once: its next event may be in the same batch. */
function failed(queued: Queued, parked: ParkedEvents, reasonCode: string, reason: string): ToPark {
  parked.block(queued.event)
  return toPark(queued, 'failed', reasonCode, reason)
}

function toPark(
  queued: Queued,
  kind: ParkedEvent['kind'],
  reasonCode: string,
  reason: string,
): ToPark {
  const { event, origin } = queued
  const record = recordOf(event)
  const { headersText, value: payload } = event
  // A record has it in its headers.
  const order = event.kind === 'routed' || record !== null ? undefined : event.order
  const cause = { kind, reasonCode, reason }
  return { queued, parked: { event, ...cause, payload, headersText, record, order, origin } }
}
