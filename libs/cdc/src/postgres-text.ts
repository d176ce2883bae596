import { DecodeError } from '@fairlead/base'

/** Object ids of built-in types: `pg_type.dat`. */
export const TYPE_OIDS = { bytea: 17, timestamp: 1114, timestamptz: 1184 } as const

const BACKSLASH = 0x5c
const LETTER_X = 0x78
const NOT_HEX = 0xff
const HEX_DIGITS = hexDigits()

/**
 * A bytea in its hex form, `\x00ff`. The session must have `bytea_output = hex`, the default.
 *
 * @throws {DecodeError} for anything else.
 */
export function parseBytea(text: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(byteaBytes(text, 0, text.length))
  writeBytea(text, 0, text.length, bytes, 0)
  return bytes
}

/** How many bytes `writeBytea` writes. @throws {DecodeError} */
export function byteaBytes(text: Uint8Array, start: number, end: number): number {
  const length = end - start
  const isHex = text[start] === BACKSLASH && text[start + 1] === LETTER_X
  if (length < 2 || !isHex || length % 2 !== 0) {
    throw new DecodeError('bytea is not in hex form', 0)
  }
  return length / 2 - 1
}

/** Of the text from `start` up to before `end`, whose form `byteaBytes` has checked. @throws {DecodeError} */
export function writeBytea(
  text: Uint8Array,
  start: number,
  end: number,
  target: Uint8Array,
  position: number,
): void {
  // Checked once, at the end: a digit that is none leaves a bit that no digit has.
  let seen = 0
  for (let from = start + 2, to = position; from < end; from += 2, to += 1) {
    const high = HEX_DIGITS[text[from] as number] as number
    const low = HEX_DIGITS[text[from + 1] as number] as number
    seen |= high | low
    target[to] = (high << 4) | low
  }
  if (seen > 0x0f) throw new DecodeError('bytea has a digit that is not hex', 2)
}

function hexDigits(): Uint8Array {
  const digits = new Uint8Array(256).fill(NOT_HEX)
  for (let value = 0; value < 16; value += 1) {
    const digit = value.toString(16)
    digits[digit.charCodeAt(0)] = value
    digits[digit.toUpperCase().charCodeAt(0)] = value
  }
  return digits
}

const TIMESTAMP =
  /^(\d{4,6})-(\d\d)-(\d\d) (\d\d):(\d\d):(\d\d)(?:\.(\d{1,6}))?(?:([+-])(\d\d)(?::(\d\d))?(?::(\d\d))?)?$/
const DAY_MS = 86_400_000
/** The end of the year 9999. Postgres goes on for 284,000 years, in which other clients overflow. */
const TIMESTAMP_MS_MAX = 253_402_300_799_999
const ASCII = new TextDecoder()

/**
 * A timestamp in ISO style, `2026-11-21 03:08:47.123456+00`, as milliseconds since the Unix epoch.
 * Without an offset it is taken as UTC. Undefined for `infinity`, times before 1970 and after the
 * year 9999, which no record timestamp should express.
 */
export function parseTimestampMs(
  bytes: Uint8Array,
  start = 0,
  end: number = bytes.length,
): number | undefined {
  return parseUtcTimestampMs(bytes, start, end) ?? parseAnyTimestampMs(bytes.subarray(start, end))
}

const DIGIT_ZERO = 0x30
/** Of `2026-11-21 03:08:47`. */
const SECONDS_LENGTH = 19

/** The form that nearly all have, `2026-11-21 03:08:47[.123456]+00`; undefined for all others. */
function parseUtcTimestampMs(text: Uint8Array, start: number, end: number): number | undefined {
  const zone = end - 3
  const fraction = start + SECONDS_LENGTH
  if (zone < fraction || !isUtc(text, zone) || !hasTimestampForm(text, start)) return undefined
  let milliseconds = 0
  if (zone > fraction) {
    if (text[fraction] !== 0x2e || zone > fraction + 7) return undefined
    for (let place = 1; place <= 3; place += 1) {
      const position = fraction + place
      milliseconds = milliseconds * 10 + (position < zone ? digit(text, position) : 0)
    }
    for (let position = fraction + 4; position < zone; position += 1) {
      if (!(digit(text, position) >= 0)) return undefined
    }
  }
  const year = digits2(text, start) * 100 + digits2(text, start + 2)
  const days = daysFromEpoch(year, digits2(text, start + 5), digits2(text, start + 8))
  const hours = digits2(text, start + 11)
  const seconds = (hours * 60 + digits2(text, start + 14)) * 60 + digits2(text, start + 17)
  const timestampMs = days * DAY_MS + seconds * 1000 + milliseconds
  return timestampMs >= 0 ? timestampMs : undefined
}

/** `+00` from `start` on. */
function isUtc(text: Uint8Array, start: number): boolean {
  return text[start] === 0x2b && text[start + 1] === DIGIT_ZERO && text[start + 2] === DIGIT_ZERO
}

function hasTimestampForm(text: Uint8Array, start: number): boolean {
  return (
    text[start + 4] === 0x2d &&
    text[start + 7] === 0x2d &&
    text[start + 10] === 0x20 &&
    text[start + 13] === 0x3a &&
    text[start + 16] === 0x3a
  )
}

/** NaN when there is no digit, which spreads to the sum. */
function digit(text: Uint8Array, position: number): number {
  const value = (text[position] ?? 0) - DIGIT_ZERO
  return value >= 0 && value <= 9 ? value : Number.NaN
}

function digits2(text: Uint8Array, position: number): number {
  return digit(text, position) * 10 + digit(text, position + 1)
}

function parseAnyTimestampMs(text: Uint8Array): number | undefined {
  const match = TIMESTAMP.exec(ASCII.decode(text))
  if (match === null) return undefined
  const [year, month, day, hours, minutes, seconds] = match.slice(1, 7).map(Number)
  const milliseconds = Number((match[7] ?? '').padEnd(3, '0').slice(0, 3))
  const timeMs = (((hours ?? 0) * 60 + (minutes ?? 0)) * 60 + (seconds ?? 0)) * 1000 + milliseconds
  const [offsetHours, offsetMinutes, offsetSeconds] = match
    .slice(9, 12)
    .map((digits: string | undefined) => Number(digits ?? 0))
  const offsetMs =
    (((offsetHours ?? 0) * 60 + (offsetMinutes ?? 0)) * 60 + (offsetSeconds ?? 0)) * 1000
  const days = daysFromEpoch(year ?? 0, month ?? 0, day ?? 0)
  const timestampMs = days * DAY_MS + timeMs + (match[8] === '-' ? offsetMs : -offsetMs)
  return timestampMs < 0 || timestampMs > TIMESTAMP_MS_MAX ? undefined : timestampMs
}

/**
 * Days from 1970-01-01 in the Gregorian calendar. The year is taken to start in March, so that the
 * leap day is its last one, and 146,097 days make 400 years.
 */
export function daysFromEpoch(year: number, month: number, day: number): number {
  const marchYear = month <= 2 ? year - 1 : year
  const era = Math.floor(marchYear / 400)
  const yearOfEra = marchYear - era * 400
  const dayOfYear = Math.floor((153 * (month + (month > 2 ? -3 : 9)) + 2) / 5) + day - 1
  const dayOfEra =
    yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear
  return era * 146_097 + dayOfEra - 719_468
}
