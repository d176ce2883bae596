import { DecodeError } from '@fairlead/base'

/** As Postgres writes it with `intervalstyle = postgres`, field by field. */
type Interval = {
  readonly years: number
  readonly months: number
  readonly days: number
  /** Hours to seconds. */
  readonly timeMicros: bigint
}

const TIME = /([+-])?(\d+):(\d\d):(\d\d)(?:\.(\d{1,6}))?$/
const DAY_MICROS = 86_400_000_000
/** 365.25 / 12, as Debezium counts a month. */
const DAYS_PER_MONTH = 30.4375

function parseInterval(text: string): Interval {
  const field = (name: string): number =>
    Number(new RegExp(`([+-]?\\d+) ${name}`).exec(text)?.[1] ?? 0)
  const time = TIME.exec(text)
  if (time === null && !/\d (year|mon|day)/.test(text)) {
    throw new DecodeError(`"${text}" is no interval in style postgres`, 0)
  }
  const [, sign, hours = '0', minutes = '0', seconds = '0', fraction = ''] = time ?? []
  const clock = (BigInt(hours) * 60n + BigInt(minutes)) * 60n + BigInt(seconds)
  const micros = clock * 1_000_000n + BigInt(fraction.padEnd(6, '0'))
  return {
    years: field('years?'),
    months: field('mons?'),
    days: field('days?'),
    timeMicros: sign === '-' ? -micros : micros,
  }
}

/** `io.debezium.time.MicroDuration`. */
export function intervalMicros(text: string): bigint {
  const { years, months, days, timeMicros } = parseInterval(text)
  const monthDays = (years * 12 + months) * DAYS_PER_MONTH
  return BigInt(Math.round((monthDays + days) * DAY_MICROS)) + timeMicros
}

/** `io.debezium.time.Interval`: ISO 8601, `P1Y2M3DT4H5M6.789S`. */
export function intervalText(text: string): string {
  const { years, months, days, timeMicros } = parseInterval(text)
  const sign = timeMicros < 0n ? '-' : ''
  const micros = timeMicros < 0n ? -timeMicros : timeMicros
  const seconds = micros / 1_000_000n
  const fraction = String(micros % 1_000_000n)
    .padStart(6, '0')
    .replace(/0+$/, '')
  const signed = (value: bigint): string => (value === 0n ? '0' : `${sign}${value}`)
  const whole = seconds % 60n
  const secondsText = fraction === '' ? signed(whole) : `${sign}${whole}.${fraction}`
  return `P${years}Y${months}M${days}DT${signed(seconds / 3600n)}H${signed((seconds / 60n) % 60n)}M${secondsText}S`
}
