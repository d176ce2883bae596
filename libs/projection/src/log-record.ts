import { EVENT_HEADERS, DecodeError, invariant } from '@fairlead/base'
import type { AnyEvents } from '@fairlead/avro'
import type { AnyEvent, Projection } from './definition.ts'
import type { SourcePosition } from './source-position.ts'

/** A record of a partition, as it is in the log. */
export type LogRecord = {
  readonly topic: string
  readonly partition: number
  readonly offset: number
  readonly timestampMs: number
  /** Whose clock that is of: the producer's, unless the log says otherwise. */
  readonly timestampType?: 'CreateTime' | 'LogAppendTime'
  readonly key: Uint8Array | null
  readonly value: Uint8Array | null
  readonly headers: readonly (readonly [string, Uint8Array | null])[]
  /** Where the log has a quicker way to text. */
  textKey?(): string | null
  textHeaders?(): Readonly<Record<string, string>>
  /** Names of the headers in their order: one array for many records with the same ones. */
  readonly headerNames?: readonly string[]
  /** Text of the header at a position of `headerNames`. */
  headerText?(position: number): string
  /** Reads that header where it lies among other bytes; a null is empty. */
  readHeader?<T>(position: number, read: ReadBytes<T>): T
  /** Reads the value where it lies among other bytes, without a view of it; null when it is null. */
  readValue?<T>(read: ReadBytes<T>): T | null
}

/** Reads `bytes` from `start` up to, and without, `end`. */
export type ReadBytes<T> = (bytes: Uint8Array, start: number, end: number) => T

/** What a record is to a projection, before its value is decoded. */
export type RecordPlan =
  /** The projection has no handler for it. */
  | { readonly kind: 'ignored' }
  | { readonly kind: 'event'; readonly eventType: string }
  /** Of a type that no event set has: written by a newer release. */
  | { readonly kind: 'unknown'; readonly eventType: string }
  | { readonly kind: 'undecodable'; readonly error: unknown }

/**
 * A record that is ready to be applied. Its content may be decoded anew each time that it is asked for:
 * who needs it twice keeps it.
 */
export type PreparedRecord = {
  readonly record: LogRecord
  /** The unit of order and of failure; see `unitOf`. */
  readonly key: string
  /** Whose the event is; empty without tenants. */
  readonly tenant: string
  readonly eventType: string | null
  readonly source: SourcePosition | null
  /** Key of the event; absent where `content` is decoded already, and has it. */
  readonly eventKey?: string
  /**
   * What `content` is, as far as one can tell without decoding it: an event may turn out to be
   * undecodable. Absent where it is decoded already.
   */
  readonly plan?: RecordPlan['kind']
  readonly content:
    | { readonly kind: 'ignored' }
    | { readonly kind: 'event'; readonly event: AnyEvent }
    | { readonly kind: 'unknown'; readonly eventType: string }
    | { readonly kind: 'undecodable'; readonly error: unknown }
}

/** See {@link PreparedRecord.plan}. */
export function planOf(prepared: PreparedRecord): RecordPlan['kind'] {
  return prepared.plan ?? prepared.content.kind
}

/** What a release may call an event type; U+FFFD is what bytes that are no UTF-8 become. */
const TYPE_NAME = /^[^\s\p{C}\ufffd]+$/u

const strictText = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
const lenientText = new TextDecoder('utf-8', { ignoreBOM: true })

/**
 * The key that orders the record: its own, as text. A record without one, or whose key is no UTF-8,
 * has no order with others; it gets a key that no other record has.
 */
export function keyText(record: LogRecord): string {
  const text = record.textKey === undefined ? textKey(record) : record.textKey()
  // Postgres has no text with NUL in it.
  if (text === null || text.includes('\0')) return placeKey(record)
  return text
}

/** In the place of a key, where a record has none that is a text. */
export function placeKey({ partition, offset }: Pick<LogRecord, 'partition' | 'offset'>): string {
  return `${partition}:${offset}`
}

function textKey({ key }: LogRecord): string | null {
  if (key === null) return null
  try {
    return strictText.decode(key)
  } catch {
    return null
  }
}

/**
 * The unit of order and of failure: the key, and in a topic of several tenants whose it is. Two tenants
 * with one key are two units. No escaped tenant has a slash in it, and none is empty. Rows of several
 * tenants in one table may have it for their key.
 *
 * @param tenant Empty: the event has none, which makes it nobody's, and not any tenant's.
 */
export function unitOf(tenant: string, key: string): string {
  if (tenant === '') return key.includes('/') ? `/${key}` : key
  return `${tenant.replaceAll('%', '%25').replaceAll('/', '%2F')}/${key}`
}

/** Headers as text; of a repeated header, the last. */
export function headersText(record: LogRecord): Readonly<Record<string, string>> {
  if (record.textHeaders !== undefined) return record.textHeaders()
  const headers: Record<string, string> = {}
  for (const [name, value] of record.headers) {
    const text = value === null ? '' : lenientText.decode(value)
    if (name === '__proto__')
      Object.defineProperty(headers, name, { value: text, enumerable: true, configurable: true })
    else headers[name] = text
  }
  return headers
}

/** What a record is by the text of its header {@link EVENT_HEADERS.type}. */
export function planRecord(
  projection: Projection,
  record: LogRecord,
  eventType: string | undefined,
): RecordPlan {
  // A tombstone says that a key has no more events; it is none itself.
  if (readValue(record, () => true) === null) return { kind: 'ignored' }
  if (eventType === undefined) {
    const error = new DecodeError(`the record has no header ${EVENT_HEADERS.type}`, 0)
    return { kind: 'undecodable', error }
  }
  if (!Object.hasOwn(sourceOf(projection, record.topic).definitions, eventType)) {
    if (TYPE_NAME.test(eventType)) return { kind: 'unknown', eventType }
    const error = new DecodeError(`"${eventType}" is no name of an event type`, 0)
    return { kind: 'undecodable', error }
  }
  if (!Object.hasOwn(projection.on, eventType)) return { kind: 'ignored' }
  if (projection.inbox !== undefined && (headersText(record)[EVENT_HEADERS.id] ?? '') === '') {
    const message = `the record has no header ${EVENT_HEADERS.id}, by which repetitions are told`
    return { kind: 'undecodable', error: new DecodeError(message, 0) }
  }
  return { kind: 'event', eventType }
}

/** What `read` makes of the value; null without one. */
export function readValue<T>(record: LogRecord, read: ReadBytes<T>): T | null {
  if (record.readValue !== undefined) return record.readValue(read)
  const { value } = record
  return value === null ? null : read(value, 0, value.length)
}

function sourceOf({ sources }: Projection, topic: string): AnyEvents {
  const source = sources.find((candidate) => candidate.topic === topic)
  invariant(source !== undefined, 'records come from the topics of the projection')
  return source
}
