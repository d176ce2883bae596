import { EVENT_HEADERS, formatLsn } from '@fairlead/base'
import type { ByteArena } from './byte-arena.ts'
import { jsonObjectEntries } from './json-object-entries.ts'
import type { EventIdentity } from './outbox-router.ts'

export type EventHeader = readonly [name: string, value: Uint8Array | null]

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
])

/** Positions within transactions whose headers are kept: those of nearly all events. */
const KEPT_INDEXES = 4_096
const TEXT = new TextEncoder()

/**
 * Writes the headers of events. What events have in common they share, since thousands of them are in
 * memory: a transaction its position and time, all of one type the type, and so on.
 */
export class HeaderWriter {
  readonly #arena: ByteArena
  readonly #source: EventHeader
  readonly #tracesAll: boolean
  #commitLsn: bigint | undefined
  #commitHeaders: readonly [lsn: EventHeader, timestamp: EventHeader] | undefined
  /** Of the event before, and its header. */
  #type: string | undefined
  #typeHeader: EventHeader | undefined
  readonly #indexHeaders: EventHeader[] = []

  constructor(
    arena: ByteArena,
    options: {
      readonly source: string
      /** An event without a trace context begins a trace. */
      readonly tracesAll: boolean
    },
  ) {
    this.#arena = arena
    this.#source = [SOURCE_HEADER, TEXT.encode(options.source)]
    this.#tracesAll = options.tracesAll
  }

  /**
   * Undefined when the headers column holds something else than a JSON object. `first` stands in
   * place of the id and the type.
   */
  headersOf(
    event: EventIdentity,
    trace: string | null,
    first: readonly EventHeader[] = this.#identityOf(event),
  ): readonly EventHeader[] | undefined {
    const isPlain = event.headersText === null || event.headersText === '{}'
    const entries = isPlain ? [] : jsonObjectEntries(event.headersText)
    if (entries === undefined) return undefined
    const [commitLsn, commitTimestamp] = this.#ofTransaction(event)
    const headers: EventHeader[] = [
      ...first,
      commitLsn,
      this.#ofIndex(event.position.commitIndex),
      commitTimestamp,
      this.#source,
    ]
    if (entries.length > 0 || trace !== null) this.#addOwn(headers, entries, trace ?? '')
    if (this.#tracesAll && !headers.some(([name]) => name === EVENT_HEADERS.traceparent)) {
      headers.push(this.#text(EVENT_HEADERS.traceparent, newTraceparent(event)))
    }
    return headers
  }

  #identityOf({ eventId, type }: EventIdentity): readonly EventHeader[] {
    return [this.#text(EVENT_HEADERS.id, eventId ?? ''), this.#ofType(type ?? '')]
  }

  #ofType(type: string): EventHeader {
    if (this.#typeHeader === undefined || this.#type !== type) {
      this.#type = type
      this.#typeHeader = [EVENT_HEADERS.type, TEXT.encode(type)]
    }
    return this.#typeHeader
  }

  #ofIndex(index: number): EventHeader {
    const kept = this.#indexHeaders[index]
    if (kept !== undefined) return kept
    const header: EventHeader = [EVENT_HEADERS.commitIndex, TEXT.encode(`${index}`)]
    // In their order, so that the array has no gaps.
    if (index === this.#indexHeaders.length && index < KEPT_INDEXES) this.#indexHeaders.push(header)
    return header
  }

  #ofTransaction(event: EventIdentity): readonly [EventHeader, EventHeader] {
    const { commitLsn } = event.position
    if (this.#commitHeaders !== undefined && this.#commitLsn === commitLsn) {
      return this.#commitHeaders
    }
    this.#commitLsn = commitLsn
    this.#commitHeaders = [
      this.#text(EVENT_HEADERS.commitLsn, formatLsn(commitLsn)),
      this.#text(EVENT_HEADERS.commitTimestampMs, `${event.commitTimestampMs}`),
    ]
    return this.#commitHeaders
  }

  /** Those of the row. */
  #addOwn(
    headers: EventHeader[],
    entries: readonly (readonly [name: string, json: string])[],
    trace: string,
  ): void {
    const names = new Set(RESERVED)
    for (const [name, json] of entries) {
      if (names.has(name)) continue
      names.add(name)
      headers.push([name, this.#jsonValue(json)])
    }
    for (const [name, value] of traceEntries(trace)) {
      if (!names.has(name)) headers.push(this.#text(name, value))
    }
  }

  /** Text as it is, null as null, everything else as its JSON. */
  #jsonValue(json: string): Uint8Array | null {
    if (json === 'null') return null
    return this.#arena.text(json.startsWith('"') ? (JSON.parse(json) as string) : json)
  }

  #text(name: string, value: string): EventHeader {
    return [name, this.#arena.text(value)]
  }
}

/** Java escapes `=`, `:`, `#`, `!` and blanks in a property with a backslash. */
function unescaped(property: string): string {
  return property.replaceAll(/\\(.)/g, '$1')
}

/**
 * The same for an event whenever it is routed: nothing is random here, and a record that is sent
 * again is the same record. The trace has the id of the event, if that is a UUID.
 */
function newTraceparent({ eventId, position }: EventIdentity): string {
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
