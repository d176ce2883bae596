import { EVENT_HEADERS, formatLsn } from '@fairlead/base'
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

const TEXT = new TextEncoder()

/** Undefined when the headers column holds something else than a JSON object. */
export function eventHeaders(
  event: EventIdentity,
  columns: {
    readonly source: string
    readonly trace: string | null
  },
): readonly EventHeader[] | undefined {
  const entries = event.headersText === null ? [] : jsonObjectEntries(event.headersText)
  if (entries === undefined) return undefined
  const headers: EventHeader[] = [
    textHeader(EVENT_HEADERS.id, event.eventId ?? ''),
    textHeader(EVENT_HEADERS.type, event.type ?? ''),
    textHeader(EVENT_HEADERS.commitLsn, formatLsn(event.position.commitLsn)),
    textHeader(EVENT_HEADERS.commitIndex, `${event.position.commitIndex}`),
    textHeader(EVENT_HEADERS.commitTimestampMs, `${event.commitTimestampMs}`),
    textHeader(SOURCE_HEADER, columns.source),
  ]
  const names = new Set(RESERVED)
  for (const [name, json] of entries) {
    if (names.has(name)) continue
    names.add(name)
    headers.push([name, headerValue(json)])
  }
  for (const [name, value] of traceEntries(columns.trace ?? '')) {
    if (!names.has(name)) headers.push(textHeader(name, value))
  }
  return headers
}

/** Text as it is, null as null, everything else as its JSON. */
function headerValue(json: string): Uint8Array | null {
  if (json === 'null') return null
  return TEXT.encode(json.startsWith('"') ? (JSON.parse(json) as string) : json)
}

function textHeader(name: string, value: string): EventHeader {
  return [name, TEXT.encode(value)]
}

/** Java escapes `=`, `:`, `#`, `!` and blanks in a property with a backslash. */
function unescaped(property: string): string {
  return property.replaceAll(/\\(.)/g, '$1')
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
