export const COMPATIBILITY_LEVELS = [
  'NONE',
  'BACKWARD',
  'BACKWARD_TRANSITIVE',
  'FORWARD',
  'FORWARD_TRANSITIVE',
  'FULL',
  'FULL_TRANSITIVE',
] as const
export type CompatibilityLevel = (typeof COMPATIBILITY_LEVELS)[number]

export const MODES = ['READWRITE', 'READONLY', 'READONLY_OVERRIDE', 'IMPORT'] as const
export type Mode = (typeof MODES)[number]

/** Levels are read in any case, as Confluent does. */
export function parseCompatibilityLevel(text: string): CompatibilityLevel | undefined {
  const upper = text.toUpperCase()
  return COMPATIBILITY_LEVELS.find((level) => level === upper)
}

export function parseMode(text: string): Mode | undefined {
  const upper = text.toUpperCase()
  return MODES.find((mode) => mode === upper)
}

export type VersionNumber = number | 'latest'

const VERSION_MAX = 2 ** 31 - 1

/** `latest` in any case, `-1` for the same, or an integer from 1; undefined for other text. */
export function parseVersion(text: string): VersionNumber | undefined {
  const trimmed = text.trim()
  if (trimmed.toLowerCase() === 'latest' || trimmed === '-1') return 'latest'
  if (!/^\d{1,10}$/.test(trimmed)) return undefined
  const version = Number(trimmed)
  return version >= 1 && version <= VERSION_MAX ? version : undefined
}
