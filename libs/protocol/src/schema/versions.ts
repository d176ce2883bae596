import { invariant } from '@fairlead/base'

const RANGE = /^(\d+)(?:-(\d+)|(\+))?$/

/** Whether `version` lies in a range such as `3`, `3+` or `0-7`; absent means all versions. */
export function includesVersion(range: string | undefined, version: number): boolean {
  if (range === undefined) return true
  const match = RANGE.exec(range)
  invariant(match !== null, () => `"${range}" is not a range of versions`)
  const first = Number(match[1])
  const last = match[3] === undefined ? Number(match[2] ?? match[1]) : Number.POSITIVE_INFINITY
  return version >= first && version <= last
}
