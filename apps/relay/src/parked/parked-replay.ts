import { EVENT_HEADERS } from '@fairlead/base'
import {
  type EventPosition,
  type OutboxRouter,
  type RoutedEvent,
  SOURCE_HEADER,
  formatPosition,
  parsePosition,
} from '@fairlead/cdc'
import { type IncomingRecord, KafkaError, type RejectedRecord } from '@fairlead/kafka'
import type pg from 'pg'
import { LoopTurn } from '../loop-turn.ts'
import type { RelayMetrics } from '../metrics.ts'
import type { Signal, SignalProgress, Signals } from '../signals/signals.ts'
import { sizeFault } from '../sink/event-size.ts'
import type { EventEncoder } from '../sink/event-encoder.ts'
import { findTopic } from '../sink/find-topic.ts'
import { PlacedEvent } from '../sink/placed-event.ts'
import type { Interlude } from '../sink/publisher.ts'
import { headerText, readRecords } from '../sink/read-tail.ts'
import type { SinkClients } from '../sink/sink-clients.ts'
import { sinkFailure, slotUncertain } from '../sink/sink-failure.ts'
import { type Topics, partitionFault } from '../sink/topics.ts'
import type { ParkedEvents } from '../source/parked-events.ts'
import { type Publishable, publishableEvent } from './publishable-event.ts'
import { type ParkedGroup, type ParkedRow, ParkedRows, type ReplayTarget } from './parked-rows.ts'

export type ParkedReplayOptions = {
  readonly control: pg.Client
  readonly slotName: string
  readonly source: string
  readonly signals: Signals
  readonly sink: SinkClients
  readonly encoder: EventEncoder | undefined
  readonly topics: Topics
  readonly router: OutboxRouter
  /**
   * Whether data have no say in where events of this table go, as with captured tables: `route.topic.include.list`
   * is for all others.
   */
  readonly isTopicFixed: (table: string) => boolean
  readonly idColumn: string
  readonly recordBytesMax: number
  readonly batchRecordsMax: number
  readonly batchBytesMax: number
  readonly isPermitted: () => boolean
  readonly metrics: RelayMetrics
  /** For the log. */
  onSettled(settled: {
    readonly signalId: string
    readonly type: Signal['type']
    readonly progress: SignalProgress
    readonly failures: readonly string[]
  }): void
}

type Work = {
  readonly signal: Signal
  readonly groups: ParkedGroup[]
  readonly failures: string[]
  /** Their limits are as they are now. */
  readonly freshTopics: Set<string>
  replayedEvents: number
  discardedEvents: number
}

type Settled = { readonly parkedId: string; readonly position: EventPosition }
type Sending = { readonly row: ParkedRow; readonly event: RoutedEvent; readonly partition: number }

const REPLAYED_HEADER = [EVENT_HEADERS.replayed, new TextEncoder().encode('true')] as const
/** Reasons of failures that one signal tells. */
const REASONS_MAX = 10

/**
 * Publishes parked events again, or discards them, when a signal says so.
 *
 * - The order of an aggregate is kept: its events are replayed in the order of the log, the first
 *   that fails again stops it, and it stays blocked until none of them is parked any more. New ones
 *   queue behind them meanwhile.
 * - Nothing is lost, and nothing replayed twice: before events are sent, the end of their topic is
 *   noted with them, and a relay that finds such notes looks for the records behind it. What was
 *   replayed is remembered, since Postgres may send it again.
 */
export class ParkedReplay implements Interlude {
  readonly #options: ParkedReplayOptions
  readonly #rows: ParkedRows
  #isDue = true
  #isReconciled = false
  #work: Work | undefined

  constructor(options: ParkedReplayOptions) {
    this.#options = options
    this.#rows = new ParkedRows(options.control, options.slotName)
  }

  get isDue(): boolean {
    return this.#isDue
  }

  signalled(): void {
    this.#isDue = true
  }

  async step(parked: ParkedEvents): Promise<void> {
    if (!this.#isReconciled) await this.#reconcile(parked)
    this.#isReconciled = true
    // Before the question: a signal that comes meanwhile makes it due again.
    this.#isDue = false
    this.#work ??= await this.#nextWork()
    if (this.#work === undefined) return
    this.#isDue = true
    const group = this.#work.groups[0]
    if (group === undefined) await this.#finish(this.#work)
    else if (this.#work.signal.type === 'replay-parked')
      await this.#replay(this.#work, group, parked)
    else await this.#discard(this.#work, group, parked)
    this.#options.metrics.parkedKeys(parked.keyCount)
  }

  async #nextWork(): Promise<Work | undefined> {
    const signal = await this.#options.signals.next(['replay-parked', 'discard-parked'])
    if (signal === undefined) return undefined
    const counts = { replayedEvents: 0, discardedEvents: 0 }
    const work: Work = { signal, groups: [], failures: [], freshTopics: new Set(), ...counts }
    const groups = await this.#groupsOf(signal)
    if (typeof groups === 'string') return { ...work, failures: [groups] }
    return { ...work, groups: [...groups] }
  }

  /** What a signal means; why it means nothing. */
  async #groupsOf({ data }: Signal): Promise<readonly ParkedGroup[] | string> {
    const { all, parkedId, aggregateType, aggregateId } = data
    if (all === true) return this.#rows.groups()
    if (typeof aggregateType === 'string' && typeof aggregateId === 'string') {
      return [{ aggregateType, aggregateId }]
    }
    if (typeof parkedId === 'string' && /^\d{1,18}$/.test(parkedId)) {
      const group = await this.#rows.groupOf(parkedId)
      return group === undefined ? `no event ${parkedId} is parked` : [group]
    }
    return 'data has all = true, or parkedId, or aggregateType and aggregateId'
  }

  async #finish(work: Work): Promise<void> {
    const { signal, failures, replayedEvents, discardedEvents } = work
    const progress = { replayedEvents, discardedEvents, failedAggregates: failures.length }
    const reason = failures.length === 0 ? undefined : failures.slice(0, REASONS_MAX).join('; ')
    await this.#options.signals.finish(signal.signalId, progress, reason)
    await this.#rows.deleteOldSettled()
    this.#work = undefined
    const { signalId, type } = signal
    this.#options.onSettled({ signalId, type, progress, failures: failures.slice(0, REASONS_MAX) })
  }

  async #discard(work: Work, group: ParkedGroup, parked: ParkedEvents): Promise<void> {
    const { parkedId } = work.signal.data
    const only = typeof parkedId === 'string' ? parkedId : undefined
    const positions = await this.#rows.discard(group, only)
    for (const position of positions) parked.settle(position)
    work.discardedEvents += positions.length
    this.#options.metrics.settled('discarded', positions.length)
    if ((await this.#rows.countOf(group)) === 0) unblock(parked, group)
    work.groups.shift()
  }

  /** The next events of an aggregate, or its release. */
  async #replay(work: Work, group: ParkedGroup, parked: ParkedEvents): Promise<void> {
    const { batchRecordsMax: recordsMax, batchBytesMax: bytesMax } = this.#options
    const rows = await this.#rows.next(group, { recordsMax, bytesMax })
    if (rows.length === 0) {
      unblock(parked, group)
      work.groups.shift()
      return
    }
    const { sending, dropped, fault } = await this.#prepare(rows, work)
    const rejected = await this.#send(sending, parked)
    work.replayedEvents += sending.length - rejected.length
    if (rejected.length === 0) {
      await this.#settle(dropped, parked, 'discarded')
      work.discardedEvents += dropped.length
    }
    await this.#options.signals.report(work.signal.signalId, {
      replayedEvents: work.replayedEvents,
    })
    const failure = rejected[0] ?? fault
    if (failure === undefined) return
    await this.#rows.noteFailure(failure.parkedId, failure.code, failure.reason)
    work.failures.push(`event ${failure.parkedId}: ${failure.code}, ${failure.reason}`)
    work.groups.shift()
  }

  /** The rows up to the first that cannot be published, and why it cannot. */
  async #prepare(rows: readonly ParkedRow[], work: Work) {
    const sending: Sending[] = []
    const dropped: Settled[] = []
    const turn = new LoopTurn()
    for (const row of rows) {
      await turn.share()
      const publishable = await publishableEvent(row, this.#options)
      if (publishable.kind === 'dropped') {
        dropped.push({ parkedId: row.parkedId, position: row.identity.position })
        continue
      }
      const prepared = await this.#checked(row, publishable, work)
      if ('code' in prepared) {
        return { sending, dropped, fault: { parkedId: row.parkedId, ...prepared } }
      }
      sending.push(prepared)
    }
    return { sending, dropped, fault: undefined }
  }

  async #checked(
    row: ParkedRow,
    publishable: Exclude<Publishable, { readonly kind: 'dropped' }>,
    work: Work,
  ): Promise<Sending | { readonly code: string; readonly reason: string }> {
    if (publishable.kind === 'unroutable') return publishable
    const { encoder } = this.#options
    const topicName = work.signal.data['topic']
    const routed =
      typeof topicName !== 'string' ? publishable : publishable.with({ topic: topicName })
    const encoded = encoder === undefined ? routed : await encoder.encode(routed)
    if (encoded.kind === 'unroutable') return encoded
    const isTopicOfData = row.sourceTable === null || !this.#options.isTopicFixed(row.sourceTable)
    const refusal = isTopicOfData ? this.#options.router.refusalOf(encoded.topic) : undefined
    if (refusal !== undefined) return { code: 'TOPIC_NOT_ALLOWED', reason: refusal }
    const event = encoded.with({ headers: [...encoded.headers, REPLAYED_HEADER] })
    const topic = await findTopic(this.#options.topics, event.topic)
    if (topic instanceof KafkaError) return { code: topic.code, reason: topic.message }
    await this.#refresh(event.topic, work)
    const bytesMax = Math.min(this.#options.recordBytesMax, topic.messageBytesMax)
    const fault = sizeFault(event, bytesMax)
    if (fault !== undefined) return { code: 'MESSAGE_TOO_LARGE', reason: fault }
    const partition = event.partitionOf(topic.partitionCount)
    if (partition < topic.partitionCount) return { row, event, partition }
    return { code: 'INVALID_PARTITION', reason: partitionFault(event.topic, partition, topic) }
  }

  async #refresh(topic: string, { freshTopics }: Work): Promise<void> {
    if (freshTopics.has(topic)) return
    await this.#options.topics.refreshLimit(topic).catch(rethrow)
    freshTopics.add(topic)
  }

  /** Sends, and settles what is stored; gives what the broker refused. */
  async #send(sending: readonly Sending[], parked: ParkedEvents) {
    if (sending.length === 0) return []
    if (!this.#options.isPermitted()) throw slotUncertain()
    await this.#rows.noteTargets(await this.#targetsOf(sending))
    const rejected = await this.#sendRecords(sending)
    const refused = rejected.flatMap(({ recordIndex, code, message }) => {
      const row = sending[recordIndex]?.row
      return row === undefined ? [] : [{ parkedId: row.parkedId, code, reason: message }]
    })
    const refusedIds = new Set(refused.map(({ parkedId }) => parkedId))
    const stored = sending.filter(({ row }) => !refusedIds.has(row.parkedId))
    await this.#settle(
      stored.map(({ row }) => ({ ...row, position: row.identity.position })),
      parked,
    )
    if (refused.length > 0) await this.#rows.forgetTargets()
    return refused
  }

  async #settle(
    rows: readonly Settled[],
    parked: ParkedEvents,
    state: 'replayed' | 'discarded' = 'replayed',
  ): Promise<void> {
    await this.#rows.settle(
      rows.map(({ parkedId }) => parkedId),
      state,
    )
    for (const { position } of rows) parked.settle(position)
    this.#options.metrics.settled(state, rows.length)
  }

  async #targetsOf(sending: readonly Sending[]): Promise<ReadonlyMap<string, ReplayTarget>> {
    const ends = new Map<string, Promise<number>>()
    const targets = new Map<string, ReplayTarget>()
    for (const { row, event, partition } of sending) {
      const place = { topic: event.topic, partition }
      const key = `${event.topic}-${partition}`
      const end =
        ends.get(key) ?? this.#options.sink.admin.listOffsets({ ...place, timestamp: 'logEnd' })
      ends.set(key, end)
      targets.set(row.parkedId, { ...place, offset: await end.catch(rethrow) })
    }
    return targets
  }

  async #sendRecords(sending: readonly Sending[]): Promise<readonly RejectedRecord[]> {
    try {
      await this.#options.sink.producer.send(
        sending.map(({ event, partition }) => new PlacedEvent(event, partition)),
      )
      return []
    } catch (error) {
      if (error instanceof KafkaError && error.rejectedRecords.length > 0) {
        return error.rejectedRecords
      }
      throw sinkFailure(error)
    }
  }

  /** Settles what a relay that died has replayed without noting it. */
  async #reconcile(parked: ParkedEvents): Promise<void> {
    const noted = await this.#rows.notedTargets()
    if (noted.length === 0) return
    const written = new Set<string>()
    for (const target of oldestTargets(noted.map(({ target }) => target))) {
      await this.#findReplayed(target, written)
    }
    const found = noted.filter(({ position }) => written.has(formatPosition(position)))
    await this.#settle(found, parked)
    await this.#rows.forgetTargets()
  }

  /** Adds the positions of replayed records behind a target. */
  async #findReplayed(target: ReplayTarget, positions: Set<string>): Promise<void> {
    const { sink, topics, source } = this.#options
    const { topic, partition } = target
    try {
      // Waits for what a dead relay may have left on its way.
      await topics.open(topic)
      const to = await sink.admin.listOffsets({ topic, partition, timestamp: 'logEnd' })
      const start = await sink.admin.listOffsets({ topic, partition, timestamp: 'earliest' })
      const from = Math.max(start, target.offset)
      await readRecords(sink.reader, { topic, partition, from, to }, (record) => {
        const position = replayedPosition(record, source)
        if (position !== undefined) positions.add(formatPosition(position))
      })
    } catch (error) {
      throw sinkFailure(error)
    }
  }
}

function rethrow(error: unknown): never {
  throw sinkFailure(error)
}

function unblock(parked: ParkedEvents, group: ParkedGroup): void {
  if ('aggregateType' in group) parked.unblock(group.aggregateType, group.aggregateId)
}

function replayedPosition(record: IncomingRecord, source: string): EventPosition | undefined {
  if (headerText(record, SOURCE_HEADER) !== source) return undefined
  if (headerText(record, EVENT_HEADERS.replayed) === undefined) return undefined
  return parsePosition(
    headerText(record, EVENT_HEADERS.commitLsn),
    headerText(record, EVENT_HEADERS.commitIndex),
  )
}

/** One per partition, the one to begin with. */
function oldestTargets(targets: readonly ReplayTarget[]): readonly ReplayTarget[] {
  const oldest = new Map<string, ReplayTarget>()
  for (const target of targets) {
    const key = `${target.topic}-${target.partition}`
    if (target.offset < (oldest.get(key)?.offset ?? Number.POSITIVE_INFINITY)) {
      oldest.set(key, target)
    }
  }
  return [...oldest.values()]
}
