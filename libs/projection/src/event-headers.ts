import { EVENT_HEADERS, lsn } from '@fairlead/base'
import { type HeaderInPlace, type LogRecord, headersText } from './log-record.ts'
import { type SourcePosition, sourcePosition } from './source-position.ts'

/** What is to be known of a record before its value is decoded. */
export type EventHeaders = {
  readonly eventType: string | undefined
  /** Text of the header that names the tenant. */
  readonly tenant: string | undefined
  /** Whether there is a header that names the schema of the value. */
  readonly namesSchema: boolean
  readonly source: ReadSource
}

/** The position of a record in its source, or the reason why its headers make no sense. */
type ReadSource =
  | { readonly ok: true; readonly source: SourcePosition | null }
  | { readonly ok: false; readonly error: unknown }

/** Names of headers, by what they say. */
export type HeaderNames = {
  /** Undefined where there are no tenants. */
  readonly tenant: string | undefined
  readonly schema: string
}

/** A number that is not there, or is none. */
const NONE = -1

/**
 * Reads the headers of records as they lie in the bytes of their batch: texts of numbers, and a list of
 * all headers, are most of what a record would take otherwise. What is not as the relay writes it is read
 * from the texts, which say what it means.
 */
export class EventHeadersReader {
  readonly #names: HeaderNames
  #isPlain = true
  #eventType: string | undefined
  #tenant: string | undefined
  #namesSchema = false
  #commitLsn = NONE
  #index = NONE
  #commitTimeMs = NONE
  #transactionId: string | undefined

  constructor(names: HeaderNames) {
    this.#names = names
  }

  read(record: LogRecord): EventHeaders {
    if (record.visitHeaders === undefined) return this.#fromTexts(record)
    this.#isPlain = true
    this.#eventType = undefined
    this.#tenant = undefined
    this.#namesSchema = false
    this.#commitLsn = NONE
    this.#index = NONE
    this.#commitTimeMs = NONE
    this.#transactionId = undefined
    record.visitHeaders(this.#visit)
    if (!this.#isPlain || this.#isIncomplete) return this.#fromTexts(record)
    return {
      eventType: this.#eventType,
      tenant: this.#tenant,
      namesSchema: this.#namesSchema,
      source: {
        ok: true,
        source: {
          commitLsn: lsn(BigInt(this.#commitLsn)),
          index: this.#index,
          commitTimeMs: this.#commitTimeMs,
          transactionId: this.#transactionId ?? null,
        },
      },
    }
  }

  get #isIncomplete(): boolean {
    return this.#commitLsn === NONE || this.#index === NONE || this.#commitTimeMs === NONE
  }

  readonly #visit = (header: HeaderInPlace): void => {
    const { name, bytes, start, end } = header
    if (name === this.#names.tenant) {
      this.#once(this.#tenant === undefined)
      this.#tenant = header.text()
    }
    if (name === this.#names.schema) this.#namesSchema = true
    switch (name) {
      case EVENT_HEADERS.type:
        this.#once(this.#eventType === undefined)
        this.#eventType = header.text()
        break
      case EVENT_HEADERS.commitLsn:
        this.#once(this.#commitLsn === NONE)
        this.#commitLsn = lsnAt(bytes, start, end)
        break
      case EVENT_HEADERS.commitIndex:
        this.#once(this.#index === NONE)
        this.#index = decimalAt(bytes, start, end)
        break
      case EVENT_HEADERS.commitTimestampMs:
        this.#once(this.#commitTimeMs === NONE)
        this.#commitTimeMs = decimalAt(bytes, start, end)
        break
      case EVENT_HEADERS.transactionId:
        this.#once(this.#transactionId === undefined && decimalAt(bytes, start, end) !== NONE)
        this.#transactionId = header.text()
        break
      case EVENT_HEADERS.replayed:
        this.#isPlain = false
        break
    }
  }

  /** Of a name that comes again, the last counts: the texts tell. */
  #once(isFirst: boolean): void {
    if (!isFirst) this.#isPlain = false
  }

  #fromTexts(record: LogRecord): EventHeaders {
    const { tenant, schema } = this.#names
    const headers = headersText(record)
    return {
      eventType: headers[EVENT_HEADERS.type],
      tenant: tenant === undefined ? undefined : headers[tenant],
      namesSchema: headers[schema] !== undefined,
      source: readSource(headers),
    }
  }
}

function readSource(headers: Readonly<Record<string, string>>): ReadSource {
  try {
    return { ok: true, source: sourcePosition(headers) }
  } catch (error) {
    return { ok: false, error }
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
