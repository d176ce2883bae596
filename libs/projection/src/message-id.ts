import { EVENT_HEADERS } from '@fairlead/base'
import { type LogRecord, type PreparedRecord, headersText, unitOf } from './log-record.ts'

/** The id of a record's event, as its headers say; null when it has none. */
export function messageIdOf(record: LogRecord): string | null {
  const id = headersText(record)[EVENT_HEADERS.id] ?? ''
  return id === '' ? null : id
}

const UUID_V7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/i

/** When the event was made, as a UUID of version 7 says (RFC 9562, 5.7); null for any other id. */
export function idTimeMs(id: string): number | null {
  return UUID_V7.test(id) ? Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16) : null
}

/**
 * The ids of records that are read from the beginning of their log on: what came before is all in
 * memory.
 */
export class SeenIds {
  /** By topic and id: where the event was first. */
  readonly #places = new Map<string, string>()

  /** Whether another record before this one had the id of its event. */
  isRepeat({ record, tenant }: Pick<PreparedRecord, 'record' | 'tenant'>): boolean {
    const id = messageIdOf(record)
    if (id === null) return false
    const { topic, partition, offset } = record
    const place = `${partition}@${offset}`
    // Topics have no space in their names.
    const known = `${topic} ${unitOf(tenant, id)}`
    const first = this.#places.get(known)
    if (first === undefined) this.#places.set(known, place)
    return first !== undefined && first !== place
  }
}
