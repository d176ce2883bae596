import { DecodeError } from '@fairlead/base'
import { type ConnectSchema, type ConnectValue, logical } from '../connect/connect-schema.ts'
import type { ColumnType } from './column-type.ts'
import {
  DAY_MICROS,
  epochMicros,
  isoTime,
  isoTimestamp,
  parseDateTime,
  parseTime,
} from './temporal.ts'
import type { ValueOptions } from './value-options.ts'

const TEXT = new TextDecoder()
const MILLIS_DIGITS_MAX = 3
const MICROS_DIGITS = 6
/** The milliseconds by which the JDBC driver expresses `infinity` and `-infinity`. */
const INFINITY_MS = 9_223_372_036_825_200n
const MINUS_INFINITY_MS = -9_223_372_036_832_400n

function of(schema: ConnectSchema, parseText: (text: string) => ConnectValue): ColumnType {
  return { schema, parse: (bytes) => parseText(TEXT.decode(bytes)) }
}

export function dateType({ times }: ValueOptions): ColumnType {
  const name = times === 'connect' ? 'org.apache.kafka.connect.data.Date' : 'io.debezium.time.Date'
  return of(logical('int32', name), (text) => {
    const parts = parseDateTime(text)
    if (parts === undefined) throw notFinite(text)
    return parts.days
  })
}

/** `modifier` is the number of digits of a second, or negative for all six. */
export function timeType(modifier: number, { times }: ValueOptions): ColumnType {
  const isMillis = times === 'adaptive' && modifier >= 0 && modifier <= MILLIS_DIGITS_MAX
  const micros = (text: string): number => {
    const time = parseTime(text)
    if (time === undefined) throw notFinite(text)
    return time.timeMicros
  }
  const millis = (text: string): number => Math.floor(micros(text) / 1_000)
  if (times === 'connect') return of(logical('int32', 'org.apache.kafka.connect.data.Time'), millis)
  if (isMillis) return of(logical('int32', 'io.debezium.time.Time'), millis)
  if (times === 'nanoseconds') {
    return of(
      logical('int64', 'io.debezium.time.NanoTime'),
      (text) => BigInt(micros(text)) * 1_000n,
    )
  }
  return of(logical('int64', 'io.debezium.time.MicroTime'), (text) => BigInt(micros(text)))
}

export function timestampType(modifier: number, { times }: ValueOptions): ColumnType {
  const isMillis =
    times !== 'microseconds' &&
    times !== 'nanoseconds' &&
    modifier >= 0 &&
    modifier <= MILLIS_DIGITS_MAX
  if (times === 'connect') {
    return of(logical('int64', 'org.apache.kafka.connect.data.Timestamp'), timestampMillis)
  }
  if (isMillis) return of(logical('int64', 'io.debezium.time.Timestamp'), timestampMillis)
  if (times === 'nanoseconds') {
    const nanos = (text: string): bigint => timestampMicros(text) * 1_000n
    return of(logical('int64', 'io.debezium.time.NanoTimestamp'), nanos)
  }
  return of(logical('int64', 'io.debezium.time.MicroTimestamp'), timestampMicros)
}

function timestampMillis(text: string): bigint {
  const micros = timestampMicros(text)
  return micros / 1_000n - (micros % 1_000n < 0n ? 1n : 0n)
}

function timestampMicros(text: string): bigint {
  const parts = parseDateTime(text)
  if (parts !== undefined) return epochMicros(parts)
  if (text === 'infinity') return INFINITY_MS * 1_000n
  if (text === '-infinity') return MINUS_INFINITY_MS * 1_000n
  throw notFinite(text)
}

/** In UTC, whatever the time zone of the session is. */
export function zonedTimestamp(): ColumnType {
  return of(logical('string', 'io.debezium.time.ZonedTimestamp'), (text) => {
    const parts = parseDateTime(text)
    return parts === undefined ? text : isoTimestamp(epochMicros(parts))
  })
}

export function zonedTime(): ColumnType {
  return of(logical('string', 'io.debezium.time.ZonedTime'), (text) => {
    const time = parseTime(text)
    if (time === undefined) throw notFinite(text)
    const { timeMicros, offsetSeconds = 0 } = time
    const utc = (((timeMicros - offsetSeconds * 1e6) % DAY_MICROS) + DAY_MICROS) % DAY_MICROS
    return `${isoTime(utc, MICROS_DIGITS).replace(/\.?0+$/, (zeros) => (zeros.includes('.') ? '' : zeros.replaceAll('0', '')))}Z`
  })
}

function notFinite(text: string): DecodeError {
  return new DecodeError(`"${text}" has no place in the type of its column`, 0)
}
