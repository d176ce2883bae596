import type { NewEvent } from '@fairlead/avro'
import { EVENT_HEADERS, lsn } from '@fairlead/base'
import {
  type AnyEvent,
  type LogRecord,
  type PreparedRecord,
  type Projection,
  headersText,
  headersWhenRead,
  readsHeadersLate,
  unitOf,
} from '@fairlead/projection'

/** When the first event happens, unless the test says otherwise; each later one is a second later. */
const FIRST_EVENT_MS = Date.UTC(2026, 0, 1)
const EVENT_INTERVAL_MS = 1_000

const NO_BYTES = new Uint8Array()

/** An event with what it has wherever it is in the log. */
export type HistoricEvent = {
  readonly event: NewEvent
  /** The place of its transaction among all, from 0. */
  readonly commit: number
  readonly at: Date
  /** Whose the event is; empty, or absent, without tenants. */
  readonly tenant?: string
}

/** @throws {TypeError} for an event that the projection does not read. */
export function historyOf(
  projection: Projection,
  events: readonly NewEvent[],
  firstAt: Date = new Date(FIRST_EVENT_MS),
): readonly HistoricEvent[] {
  if (Number.isNaN(firstAt.getTime())) {
    throw new TypeError('the first event happens at a time that is none: at is an invalid Date')
  }
  return events.map((event, commit) => {
    const isRead = projection.sources.some(
      ({ topic, definitions }) => topic === event.topic && Object.hasOwn(definitions, event.type),
    )
    if (!isRead) {
      throw new TypeError(`${projection.name} does not read ${event.type} of ${event.topic}`)
    }
    return { event, commit, at: new Date(firstAt.getTime() + commit * EVENT_INTERVAL_MS) }
  })
}

/** The event as the engine gets it from partition 0 of its topic. */
export function recordOf(
  projection: Projection,
  { event: { type, data, key, topic }, commit, at, tenant = '' }: HistoricEvent,
  offset: number,
): PreparedRecord {
  const id = `event-${commit}`
  // What has an inbox is to do without positions.
  const hasInbox = projection.inbox !== undefined
  const record: LogRecord = {
    topic,
    partition: 0,
    offset,
    timestampMs: at.getTime(),
    key: NO_BYTES,
    value: NO_BYTES,
    headers: hasInbox ? [[EVENT_HEADERS.id, new TextEncoder().encode(id)]] : [],
  }
  const event: AnyEvent = {
    type,
    data,
    id,
    key,
    at,
    source: { topic, partition: 0, offset },
    // What cannot be done with them live fails in a test, too.
    headers: (readsHeadersLate(projection) ? headersWhenRead : headersText)(record),
    ...(tenant === '' ? {} : { tenant }),
  }
  return {
    record,
    key: unitOf(tenant, key),
    tenant,
    eventType: type,
    source: hasInbox
      ? null
      : {
          commitLsn: lsn(BigInt(commit) + 1n),
          index: 0,
          commitTimeMs: commit,
          transactionId: null,
        },
    content: Object.hasOwn(projection.on, type) ? { kind: 'event', event } : { kind: 'ignored' },
  }
}
