import { EVENT_HEADERS, type Lsn, formatLsn } from '@fairlead/base'
import { jsonObjectEntries } from './json-object-entries.ts'
import type { EventHeader, RecordBodyWriter } from './record-body.ts'
import type { CommitStamp, EventIdentity } from './routed-event.ts'
import type { TransactionOrder } from './transaction-events.ts'

/**
 * Header that names whose LSNs the position headers are: the system identifier of the database
 * cluster and the slot. LSNs of two clusters, or of two slots that progress independently, must
 * never be compared.
 */
export const SOURCE_HEADER = 'cdc.source'

/** The relay's own: an entry of the headers column cannot replace them. */
const RESERVED: ReadonlySet<string> = new Set([
  SOURCE_HEADER,
  EVENT_HEADERS.id,
  EVENT_HEADERS.type,
  EVENT_HEADERS.commitLsn,
  EVENT_HEADERS.commitIndex,
  EVENT_HEADERS.commitTimestampMs,
  EVENT_HEADERS.replayed,
  EVENT_HEADERS.transaction,
  EVENT_HEADERS.totalOrder,
  EVENT_HEADERS.dataCollectionOrder,
])

/** Of every event: those that `writePosition` writes. */
export const POSITION_HEADER_COUNT = 4
const ORDER_NAMES = [
  EVENT_HEADERS.transaction,
  EVENT_HEADERS.totalOrder,
  EVENT_HEADERS.dataCollectionOrder,
] as const
/** Those that `writeOrder` writes. */
export const ORDER_HEADER_COUNT: number = ORDER_NAMES.length
const NO_HEADERS: readonly EventHeader[] = []
const TEXT = new TextEncoder()
const LENIENT_TEXT = new TextDecoder()

/** Writes the headers of events that are not in their rows as they are. */
export class HeaderWriter {
  readonly #source: string
  #stamp: CommitStamp | undefined
  /** Of that transaction, as text. */
  #commitLsn = ''
  #commitTimestamp = ''

  constructor(options: { readonly source: string }) {
    this.#source = options.source
  }

  /** One for all events of a transaction that are asked for one after the other. */
  stampOf(commitLsn: Lsn, commitTimestampMs: number): CommitStamp {
    const known = this.#stamp
    if (known?.commitLsn === commitLsn && known.commitTimestampMs === commitTimestampMs) {
      return known
    }
    const stamp = { commitLsn, commitTimestampMs }
    this.#stamp = stamp
    this.#commitLsn = formatLsn(commitLsn)
    this.#commitTimestamp = `${commitTimestampMs}`
    return stamp
  }

  /** Of the transaction that `stampOf` was last asked for. */
  writePosition(body: RecordBodyWriter, commitIndex: number): void {
    body.text(EVENT_HEADERS.commitLsn)
    body.text(this.#commitLsn)
    body.text(EVENT_HEADERS.commitIndex)
    body.text(`${commitIndex}`)
    body.text(EVENT_HEADERS.commitTimestampMs)
    body.text(this.#commitTimestamp)
    body.text(SOURCE_HEADER)
    body.text(this.#source)
  }

  writeOrder(body: RecordBodyWriter, order: TransactionOrder): void {
    body.text(EVENT_HEADERS.transaction)
    body.text(order.transactionId)
    body.text(EVENT_HEADERS.totalOrder)
    body.text(`${order.totalOrder}`)
    body.text(EVENT_HEADERS.dataCollectionOrder)
    body.text(`${order.dataCollectionOrder}`)
  }
}

/** The headers that `writeOrder` writes. */
export function orderHeaders(order: TransactionOrder): readonly EventHeader[] {
  return [
    [EVENT_HEADERS.transaction, TEXT.encode(order.transactionId)],
    [EVENT_HEADERS.totalOrder, TEXT.encode(`${order.totalOrder}`)],
    [EVENT_HEADERS.dataCollectionOrder, TEXT.encode(`${order.dataCollectionOrder}`)],
  ]
}

/** What `writeOrder` wrote; undefined where it did not. */
export function orderOf(headers: readonly EventHeader[]): TransactionOrder | undefined {
  const texts = ORDER_NAMES.map((name) => headers.find((header) => header[0] === name)?.[1])
  const [transactionId, totalOrder, dataCollectionOrder] = texts.map((text) =>
    text === undefined || text === null ? undefined : LENIENT_TEXT.decode(text),
  )
  if (transactionId === undefined) return undefined
  return {
    transactionId,
    totalOrder: Number(totalOrder),
    dataCollectionOrder: Number(dataCollectionOrder),
  }
}

/**
 * The headers that a row brings: the entries of its headers column, and its trace context. Undefined when the
 * column holds something else than a JSON object.
 */
export function ownHeaders(
  headersText: string | null,
  trace: string | null,
): readonly EventHeader[] | undefined {
  const isPlain = headersText === null || headersText === '{}'
  if (isPlain && trace === null) return NO_HEADERS
  const entries = isPlain ? [] : jsonObjectEntries(headersText)
  if (entries === undefined) return undefined
  const headers: EventHeader[] = []
  const names = new Set(RESERVED)
  for (const [name, json] of entries) {
    if (names.has(name)) continue
    names.add(name)
    headers.push([name, jsonValue(json)])
  }
  for (const [name, value] of traceEntries(trace ?? '')) {
    if (!names.has(name)) headers.push([name, TEXT.encode(value)])
  }
  return headers
}

/** Text as it is, null as null, everything else as its JSON. */
function jsonValue(json: string): Uint8Array | null {
  if (json === 'null') return null
  return TEXT.encode(json.startsWith('"') ? (JSON.parse(json) as string) : json)
}

/** Java escapes `=`, `:`, `#`, `!` and blanks in a property with a backslash. */
function unescaped(property: string): string {
  return property.replaceAll(/\\(.)/g, '$1')
}

/**
 * The same for an event whenever it is routed: nothing is random here, and a record that is sent
 * again is the same record. The trace has the id of the event, if that is a UUID.
 */
export function newTraceparent({
  eventId,
  position,
}: Pick<EventIdentity, 'eventId' | 'position'>): string {
  const place =
    position.commitLsn.toString(16).padStart(16, '0') +
    (position.commitIndex + 1).toString(16).padStart(16, '0')
  const uuid = (eventId ?? '').replaceAll('-', '').toLowerCase()
  const traceId = /^[0-9a-f]{32}$/.test(uuid) && !/^0+$/.test(uuid) ? uuid : place
  return `00-${traceId}-${place.slice(16)}-01`
}

const TRACEPARENT = /^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/

/** A bare W3C traceparent, or the `name=value` lines of Java properties that Debezium writes. */
function traceEntries(text: string): (readonly [string, string])[] {
  if (TRACEPARENT.test(text.trim())) return [[EVENT_HEADERS.traceparent, text.trim()]]
  const entries: (readonly [string, string])[] = []
  for (const line of text.split(/\r?\n/)) {
    const [, name, value] = /^\s*(traceparent|tracestate)\s*[=:]\s*(.*)$/.exec(line) ?? []
    if (name !== undefined && value !== undefined) entries.push([name, unescaped(value.trim())])
  }
  return entries
}
