import { daysFromEpoch } from '../postgres-text.ts'

/** A point of time or of a day, as Postgres writes it in ISO style, without loss. */
export type TemporalParts = {
  readonly days: number
  /** Of the day, before the offset is taken off. */
  readonly timeMicros: number
  /** East of Greenwich; undefined when the text has none. */
  readonly offsetSeconds: number | undefined
}

const DATE = /^(\d{4,7})-(\d\d)-(\d\d)/
const TIME = /(\d\d):(\d\d):(\d\d)(?:\.(\d{1,6}))?(?:([+-])(\d\d)(?::(\d\d))?(?::(\d\d))?)?/
const SECOND_MICROS = 1_000_000
const MICROS_DIGITS = 6
export const DAY_MICROS = 86_400_000_000

/** `2026-11-21 03:08:47.123456+00 BC`, or its date alone. Undefined for infinity. */
export function parseDateTime(text: string): TemporalParts | undefined {
  const date = DATE.exec(text)
  if (date === null) return undefined
  const [year = 0, month = 1, day = 1] = date.slice(1, 4).map(Number)
  const time = parseTime(text.slice(date[0].length))
  const days = daysFromEpoch(text.endsWith(' BC') ? 1 - year : year, month, day)
  return { days, timeMicros: time?.timeMicros ?? 0, offsetSeconds: time?.offsetSeconds }
}

/** `03:08:47.123456+02`. */
export function parseTime(text: string): Omit<TemporalParts, 'days'> | undefined {
  const match = TIME.exec(text)
  if (match === null) return undefined
  const [hours = 0, minutes = 0, seconds = 0] = match.slice(1, 4).map(Number)
  const micros = Number((match[4] ?? '').padEnd(MICROS_DIGITS, '0'))
  const timeMicros = ((hours * 60 + minutes) * 60 + seconds) * SECOND_MICROS + micros
  if (match[5] === undefined) return { timeMicros, offsetSeconds: undefined }
  const [offsetHours, offsetMinutes, offsetSeconds] = match
    .slice(6, 9)
    .map((digits: string | undefined) => Number(digits ?? 0))
  const offset = ((offsetHours ?? 0) * 60 + (offsetMinutes ?? 0)) * 60 + (offsetSeconds ?? 0)
  return { timeMicros, offsetSeconds: match[5] === '-' ? -offset : offset }
}

/** Since the Unix epoch, in UTC. */
export function epochMicros({ days, timeMicros, offsetSeconds = 0 }: TemporalParts): bigint {
  return BigInt(days) * BigInt(DAY_MICROS) + BigInt(timeMicros - offsetSeconds * SECOND_MICROS)
}

/** `2026-11-21T03:08:47.123456Z`, as `ISO_OFFSET_DATE_TIME` of Java with all digits. */
export function isoTimestamp(micros: bigint): string {
  const dayMicros = BigInt(DAY_MICROS)
  const days = micros / dayMicros - (micros % dayMicros < 0n ? 1n : 0n)
  return `${isoDate(Number(days))}T${isoTime(Number(micros - days * dayMicros), MICROS_DIGITS)}Z`
}

export function isoTime(timeMicros: number, digits: number): string {
  const seconds = Math.floor(timeMicros / SECOND_MICROS)
  const two = (value: number): string => String(value).padStart(2, '0')
  const clock = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60]
  const fraction = String(timeMicros % SECOND_MICROS)
    .padStart(MICROS_DIGITS, '0')
    .slice(0, digits)
  return clock.map(two).join(':') + (digits === 0 ? '' : `.${fraction}`)
}

/** The inverse of `daysFromEpoch`. */
function isoDate(days: number): string {
  const shifted = days + 719_468
  const era = Math.floor(shifted / 146_097)
  const dayOfEra = shifted - era * 146_097
  const yearOfEra = Math.floor(
    (dayOfEra -
      Math.floor(dayOfEra / 1_460) +
      Math.floor(dayOfEra / 36_524) -
      Math.floor(dayOfEra / 146_096)) /
      365,
  )
  const dayOfYear =
    dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100))
  const marchMonth = Math.floor((5 * dayOfYear + 2) / 153)
  const day = dayOfYear - Math.floor((153 * marchMonth + 2) / 5) + 1
  const month = marchMonth + (marchMonth < 10 ? 3 : -9)
  const year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
  const two = (value: number): string => String(value).padStart(2, '0')
  return `${isoYear(year)}-${two(month)}-${two(day)}`
}

/** At least four digits, with a sign for what has more or comes before the year 0. */
function isoYear(year: number): string {
  const digits = String(Math.abs(year)).padStart(4, '0')
  if (year < 0) return `-${digits}`
  return year > 9_999 ? `+${digits}` : digits
}
