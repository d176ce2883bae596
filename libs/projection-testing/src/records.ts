import type { AnyEvents, NewEvent } from '@fairlead/avro'
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
import { type WrittenEvent, decodeEvent, encodeEvent } from './written-event.ts'

/** When the first event happens, unless the test says otherwise; each later one is a second later. */
const FIRST_EVENT_MS = Date.UTC(2026, 0, 1)
const EVENT_INTERVAL_MS = 1_000

/** An event with what it has wherever it is in the log. */
export type HistoricEvent = {
  readonly event: NewEvent | WrittenEvent
  /** As its record has it. */
  readonly value: Uint8Array
  /** Its own, wherever it is. */
  readonly id: string
  /** The place of its transaction among all, from 0. */
  readonly commit: number
  readonly at: Date
  /** Whose the event is; empty, or absent, without tenants. */
  readonly tenant?: string
}

/** @throws {TypeError} for an event that the projection does not read, or the outbox does not write. */
export function historyOf(
  projection: Projection,
  events: readonly NewEvent[],
  firstAt: Date = new Date(FIRST_EVENT_MS),
): readonly HistoricEvent[] {
  if (Number.isNaN(firstAt.getTime())) {
    throw new TypeError('the first event happens at a time that is none: at is an invalid Date')
  }
  return events.map((event, commit) => {
    const at = new Date(firstAt.getTime() + commit * EVENT_INTERVAL_MS)
    const value = encodeEvent(sourceOf(projection, event), event)
    return { event, value, id: `event-${commit}`, commit, at }
  })
}

function sourceOf(projection: Projection, { topic, type }: NewEvent): AnyEvents {
  const source = projection.sources.find(
    (events) => events.topic === topic && Object.hasOwn(events.definitions, type),
  )
  if (source !== undefined) return source
  throw new TypeError(`${projection.name} does not read ${type} of ${topic}`)
}

/** The event as the engine gets it from partition 0 of its topic. */
export function recordOf(
  projection: Projection,
  { event: written, value, id, commit, at, tenant = '' }: HistoricEvent,
  offset: number,
): PreparedRecord {
  const { type, key, topic } = written
  // What has an inbox is to do without positions.
  const hasInbox = projection.inbox !== undefined
  const record: LogRecord = {
    topic,
    partition: 0,
    offset,
    timestampMs: at.getTime(),
    key: new TextEncoder().encode(key),
    value,
    headers: hasInbox ? [[EVENT_HEADERS.id, new TextEncoder().encode(id)]] : [],
  }
  const common: Omit<AnyEvent, 'data'> = {
    type,
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
    content: contentOf(projection, written, { value, common }),
  }
}

function contentOf(
  projection: Projection,
  written: NewEvent | WrittenEvent,
  { value, common }: { readonly value: Uint8Array; readonly common: Omit<AnyEvent, 'data'> },
): PreparedRecord['content'] {
  if (!Object.hasOwn(projection.on, written.type)) return { kind: 'ignored' }
  const decoded = decodeEvent(sourceOf(projection, written), written, value)
  if ('kind' in decoded) return decoded
  return { kind: 'event', event: { ...common, data: decoded.data } }
}
