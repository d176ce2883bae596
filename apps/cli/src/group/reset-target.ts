import type { ClusterAdmin, CommittedOffset, TopicPartition } from '@fairlead/kafka'
import { type OptionValues, UsageError, parseInteger, textOption } from '../command/command.ts'

/** Where a reset puts a group, as `kafka-consumer-groups --reset-offsets` names it. */
export type ResetTarget =
  | { readonly kind: 'earliest' | 'latest' | 'current' }
  | { readonly kind: 'offset'; readonly offset: number }
  | { readonly kind: 'shift'; readonly count: number }
  | { readonly kind: 'timestamp'; readonly timestampMs: number }

const OFFSET_RANGE = { min: 0, max: Number.MAX_SAFE_INTEGER }
const SHIFT_RANGE = { min: -Number.MAX_SAFE_INTEGER, max: Number.MAX_SAFE_INTEGER }
const UNIT_MS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
}

export const RESET_OPTIONS = {
  'to-earliest': { doc: 'to the first record that is kept' },
  'to-latest': { doc: 'to the end: only what comes later is read' },
  'to-current': { doc: 'to the committed offset (to see it, or to renew it)' },
  'to-offset': { value: 'offset', doc: 'to this offset, or the nearest that exists' },
  'shift-by': { value: 'n', doc: 'by n records, back when negative' },
  'to-datetime': { value: 'time', doc: 'to the first record at or after, as 2026-01-31T12:00:00Z' },
  'by-duration': { value: 'duration', doc: 'to the first record of the last 90s, 15m, 2h, 7d' },
} as const

/** @throws {UsageError} unless exactly one target is given. */
export function parseResetTarget(options: OptionValues, wallNowMs: number): ResetTarget {
  const given = Object.keys(RESET_OPTIONS).filter((name) => options[name] !== undefined)
  const [name] = given
  if (name === undefined || given.length > 1) {
    const names = Object.keys(RESET_OPTIONS).map((option) => `--${option}`)
    throw new UsageError(`give exactly one of ${names.join(', ')}`)
  }
  return parseTarget(name as keyof typeof RESET_OPTIONS, textOption(options, name) ?? '', wallNowMs)
}

function parseTarget(
  name: keyof typeof RESET_OPTIONS,
  text: string,
  wallNowMs: number,
): ResetTarget {
  switch (name) {
    case 'to-earliest':
      return { kind: 'earliest' }
    case 'to-latest':
      return { kind: 'latest' }
    case 'to-current':
      return { kind: 'current' }
    case 'to-offset':
      return { kind: 'offset', offset: parseInteger(text, '--to-offset', OFFSET_RANGE) }
    case 'shift-by':
      return { kind: 'shift', count: parseInteger(text, '--shift-by', SHIFT_RANGE) }
    case 'to-datetime':
      return { kind: 'timestamp', timestampMs: parseTime(text) }
    case 'by-duration':
      return { kind: 'timestamp', timestampMs: wallNowMs - parseDurationMs(text) }
  }
}

function parseTime(text: string): number {
  const timestampMs = Date.parse(text)
  if (Number.isFinite(timestampMs) && timestampMs >= 0) return timestampMs
  throw new UsageError(`--to-datetime is a time as 2026-01-31T12:00:00Z, not "${text}"`)
}

function parseDurationMs(text: string): number {
  const match = /^(\d+)(ms|s|m|h|d)$/.exec(text)
  const durationMs = Number(match?.[1]) * (UNIT_MS[match?.[2] ?? ''] ?? Number.NaN)
  if (Number.isSafeInteger(durationMs)) return durationMs
  throw new UsageError(`a duration is a number with ms, s, m, h or d, not "${text}"`)
}

/** The new offset of one partition, inside of what the partition holds. */
export async function resolveTarget(
  admin: ClusterAdmin,
  { topic, partition }: TopicPartition,
  target: ResetTarget,
  committed: CommittedOffset | undefined,
): Promise<number> {
  const at = (timestamp: 'earliest' | 'latest' | number) =>
    admin.listOffsets({ topic, partition, timestamp })
  const [earliest, latest] = await Promise.all([at('earliest'), at('latest')])
  const clamp = (offset: number) => Math.min(Math.max(offset, earliest), latest)
  switch (target.kind) {
    case 'earliest':
      return earliest
    case 'latest':
      return latest
    case 'current':
      return committed?.offset ?? latest
    case 'offset':
      return clamp(target.offset)
    case 'shift':
      return clamp((committed?.offset ?? latest) + target.count)
    case 'timestamp': {
      const found = await at(target.timestampMs)
      return found < 0 ? latest : clamp(found)
    }
  }
}
