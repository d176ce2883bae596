const UNIT_MS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const

/** A length of time as people write it: `100ms`, `2s`, `5m`, `1h`, `7d`. */
export type Duration = `${number}${keyof typeof UNIT_MS}`

const DURATION = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/

/** @throws {TypeError} unless the text is a positive number and one of the units. */
export function durationMs(text: Duration): number {
  const [, amount = '', unit = ''] = DURATION.exec(text) ?? []
  if (amount === '')
    throw new TypeError(`"${text}" is not a duration such as 100ms, 2s, 5m, 1h or 7d`)
  return Number(amount) * UNIT_MS[unit as keyof typeof UNIT_MS]
}
