/** Years of more digits have a sign, as `toISOString` writes them. */
const DAY_AND_TIME =
  /^((?:\d{4}|[+-]\d{6})-\d\d-\d\d)(?:T\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?(?:Z|[+-]\d\d:\d\d))?$/

/**
 * Milliseconds of a time with its zone, or of a day in UTC; undefined for any other text. `Date.parse` makes a
 * time of almost any, of `ZZ/1` too, and takes one without a zone for a time of this machine.
 */
export function parseIsoTime(text: string): number | undefined {
  const [, day] = DAY_AND_TIME.exec(text) ?? []
  if (day === undefined || !isDay(day)) return undefined
  const timeMs = Date.parse(text)
  return Number.isNaN(timeMs) ? undefined : timeMs
}

/** February has no day 31, of which `Date.parse` makes one in March. */
function isDay(day: string): boolean {
  const date = new Date(day)
  return !Number.isNaN(date.getTime()) && date.toISOString().startsWith(day)
}
