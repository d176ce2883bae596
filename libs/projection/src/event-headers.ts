import { EVENT_HEADERS, lsn } from '@fairlead/base'
import { type LogRecord, type ReadBytes, headersText } from './log-record.ts'
import { type SourcePosition, sourcePosition } from './source-position.ts'

/** What is to be known of a record before its value is decoded. */
export type EventHeaders = {
  readonly eventType: string | undefined
  /** Text of the header that names the tenant. */
  readonly tenant: string | undefined
  /** Whether there is a header that names the schema of the value. */
  readonly namesSchema: boolean
  /** Why the headers make no sense that say where the record comes from; undefined when they do, or say nothing. */
  readonly sourceError: unknown
}

/** Names of headers, by what they say. */
export type HeaderNames = {
  /** Undefined where there are no tenants. */
  readonly tenant: string | undefined
  readonly schema: string
}

/** A place or a number that is not there, or is none. */
const NONE = -1

/** Where headers are that have a meaning; NONE for what is not there. Of a name that comes again, the last counts. */
type HeaderPlaces = {
  readonly id: number
  readonly eventType: number
  readonly tenant: number
  readonly schema: number
  readonly commitLsn: number
  readonly index: number
  readonly commitTimeMs: number
  readonly transactionId: number
  /** All that makes a position is there, and nothing that says that there is none. */
  readonly havePosition: boolean
}

/**
 * Reads the headers of records as they lie in the bytes of their batch: texts of numbers, and a list of
 * all headers, are most of what a record would take otherwise. What is not as the relay writes it is read
 * from the texts, which say what it means.
 */
export class EventHeadersReader {
  readonly #names: HeaderNames
  /** By their names: a topic has records of a few kinds. */
  readonly #places = new WeakMap<readonly string[], HeaderPlaces>()
  #lastNames: readonly string[] | undefined
  #lastPlaces: HeaderPlaces | undefined

  constructor(names: HeaderNames) {
    this.#names = names
  }

  read(record: LogRecord): EventHeaders {
    const { headerNames } = record
    if (headerNames === undefined) return this.#fromTexts(record)
    const places = this.#placesOf(headerNames)
    if (!places.havePosition || !isPlain(record, places)) return this.#fromTexts(record)
    return {
      eventType: textAt(record, places.eventType),
      tenant: textAt(record, places.tenant),
      namesSchema: places.schema !== NONE,
      sourceError: undefined,
    }
  }

  /** The position of a record in its source; null when it has none that makes sense. */
  sourceOf(record: LogRecord): SourcePosition | null {
    const { headerNames } = record
    const places = headerNames === undefined ? undefined : this.#placesOf(headerNames)
    const source = places?.havePosition === true ? plainSource(record, places) : undefined
    return source ?? sourceIn(record)
  }

  /** The id of an event; undefined without one. */
  idOf(record: LogRecord): string | undefined {
    const { headerNames } = record
    if (headerNames === undefined) return headersText(record)[EVENT_HEADERS.id]
    return textAt(record, this.#placesOf(headerNames).id)
  }

  #placesOf(names: readonly string[]): HeaderPlaces {
    if (names === this.#lastNames && this.#lastPlaces !== undefined) return this.#lastPlaces
    let places = this.#places.get(names)
    if (places === undefined) {
      places = placesIn(names, this.#names)
      this.#places.set(names, places)
    }
    this.#lastNames = names
    this.#lastPlaces = places
    return places
  }

  #fromTexts(record: LogRecord): EventHeaders {
    const { tenant, schema } = this.#names
    const headers = headersText(record)
    return {
      eventType: headers[EVENT_HEADERS.type],
      tenant: tenant === undefined ? undefined : headers[tenant],
      namesSchema: headers[schema] !== undefined,
      sourceError: sourceErrorIn(headers),
    }
  }
}

function placesIn(names: readonly string[], { tenant, schema }: HeaderNames): HeaderPlaces {
  const commitLsn = names.lastIndexOf(EVENT_HEADERS.commitLsn)
  const index = names.lastIndexOf(EVENT_HEADERS.commitIndex)
  const commitTimeMs = names.lastIndexOf(EVENT_HEADERS.commitTimestampMs)
  return {
    id: names.lastIndexOf(EVENT_HEADERS.id),
    eventType: names.lastIndexOf(EVENT_HEADERS.type),
    tenant: tenant === undefined ? NONE : names.lastIndexOf(tenant),
    schema: names.lastIndexOf(schema),
    commitLsn,
    index,
    commitTimeMs,
    transactionId: names.lastIndexOf(EVENT_HEADERS.transactionId),
    havePosition:
      commitLsn !== NONE &&
      index !== NONE &&
      commitTimeMs !== NONE &&
      !names.includes(EVENT_HEADERS.replayed),
  }
}

function textAt(record: LogRecord, place: number): string | undefined {
  return place === NONE ? undefined : record.headerText?.(place)
}

/** Whether the numbers of a position are plain. */
function isPlain(record: LogRecord, places: HeaderPlaces): boolean {
  return (
    numberIn(record, places.commitLsn, lsnAt) !== NONE &&
    numberIn(record, places.index, decimalAt) !== NONE &&
    numberIn(record, places.commitTimeMs, decimalAt) !== NONE &&
    (places.transactionId === NONE || numberIn(record, places.transactionId, decimalAt) !== NONE)
  )
}

/** Undefined where a number is not plain. */
function plainSource(record: LogRecord, places: HeaderPlaces): SourcePosition | undefined {
  const commitLsn = numberIn(record, places.commitLsn, lsnAt)
  const index = numberIn(record, places.index, decimalAt)
  const commitTimeMs = numberIn(record, places.commitTimeMs, decimalAt)
  if (commitLsn === NONE || index === NONE || commitTimeMs === NONE) return undefined
  let transactionId: string | null = null
  if (places.transactionId !== NONE) {
    if (numberIn(record, places.transactionId, decimalAt) === NONE) return undefined
    transactionId = textAt(record, places.transactionId) ?? null
  }
  return { commitLsn: lsn(BigInt(commitLsn)), index, commitTimeMs, transactionId }
}

function numberIn(record: LogRecord, place: number, read: ReadBytes<number>): number {
  return record.readHeader?.(place, read) ?? NONE
}

function sourceErrorIn(headers: Readonly<Record<string, string>>): unknown {
  try {
    sourcePosition(headers)
    return undefined
  } catch (error) {
    return error
  }
}

function sourceIn(record: LogRecord): SourcePosition | null {
  try {
    return sourcePosition(headersText(record))
  } catch {
    return null
  }
}

const DECIMAL_DIGITS_MAX = 15
const DIGIT_0 = 0x30

/** Of up to fifteen digits, which a number holds; NONE for all else. */
function decimalAt(bytes: Uint8Array, start: number, end: number): number {
  if (start === end || end - start > DECIMAL_DIGITS_MAX) return NONE
  let value = 0
  for (let position = start; position < end; position += 1) {
    const digit = (bytes[position] as number) - DIGIT_0
    if (digit < 0 || digit > 9) return NONE
    value = value * 10 + digit
  }
  return value
}

const SLASH = 0x2f
const HALF_DIGITS_MAX = 8

/** An LSN that is a safe integer: one of the first 8 PiB of a log. NONE for all else. */
function lsnAt(bytes: Uint8Array, start: number, end: number): number {
  let slash = start
  while (slash < end && bytes[slash] !== SLASH) slash += 1
  if (slash === end) return NONE
  const high = hexAt(bytes, start, slash)
  const low = hexAt(bytes, slash + 1, end)
  const value = high * 2 ** 32 + low
  return high === NONE || low === NONE || !Number.isSafeInteger(value) ? NONE : value
}

function hexAt(bytes: Uint8Array, start: number, end: number): number {
  if (start === end || end - start > HALF_DIGITS_MAX) return NONE
  let value = 0
  for (let position = start; position < end; position += 1) {
    const digit = hexDigit(bytes[position] as number)
    if (digit === NONE) return NONE
    value = value * 16 + digit
  }
  return value
}

function hexDigit(code: number): number {
  if (code >= DIGIT_0 && code <= 0x39) return code - DIGIT_0
  // Upper case as lower.
  const letter = code | 0x20
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x61 + 10 : NONE
}
