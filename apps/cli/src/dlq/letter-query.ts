import {
  type OptionDefinition,
  type OptionValues,
  UsageError,
  integerOption,
  textOption,
} from '../command/command.ts'
import { VERSION_MAX } from '../command/projector-api.ts'

export const LIMIT_MAX = 1_000

export const OF_PROJECTION = {
  positionals: '[<projection>]',
  positionalCount: { min: 0, max: 1 },
} as const

export const LIMIT: Readonly<Record<string, OptionDefinition>> = limitOption(LIMIT_MAX)
export const VERSION_FILTER: Readonly<Record<string, OptionDefinition>> = {
  version: { value: 'n|live', doc: 'those of this version, or the live one (default: of all)' },
}
export const TENANT_FILTER: Readonly<Record<string, OptionDefinition>> = {
  tenant: { value: 'name', doc: 'those of this tenant' },
}
export const CAUSE_FILTER: Readonly<Record<string, OptionDefinition>> = {
  ...VERSION_FILTER,
  ...TENANT_FILTER,
  fingerprint: { value: 'hex', doc: 'those that failed for this cause' },
  'error-class': { value: 'name', doc: 'those that failed with this class of error' },
}
export const KEY_FILTER: Readonly<Record<string, OptionDefinition>> = {
  key: { value: 'key', doc: 'those of this key' },
}
export const LETTER_FILTER: Readonly<Record<string, OptionDefinition>> = {
  ...KEY_FILTER,
  kind: { value: 'kind', doc: 'failed, or blocked behind one that failed' },
  ...CAUSE_FILTER,
}

/** Options and the names that the projector has for them. */
const QUERY_NAMES: Readonly<Record<string, string>> = {
  key: 'key',
  kind: 'kind',
  tenant: 'tenant',
  fingerprint: 'fingerprint',
  'error-class': 'errorClass',
  after: 'after',
}

export function limitOption(max: number): Readonly<Record<string, OptionDefinition>> {
  return { limit: { value: 'n', doc: `at most this many, 1 to ${max} (default: 100)` } }
}

/** What a list is asked for, by the options of its command. @throws {UsageError} */
export function queryOf(
  options: OptionValues,
  projection: string | undefined,
  limitMax: number = LIMIT_MAX,
): URLSearchParams {
  const query = new URLSearchParams(projection === undefined ? {} : { projection })
  for (const [option, name] of Object.entries(QUERY_NAMES)) {
    const value = textOption(options, option)
    if (value !== undefined) query.set(name, value)
  }
  const places = {
    limit: integerOption(options, 'limit', { min: 1, max: limitMax }),
    version: versionOption(options),
  }
  for (const [name, value] of Object.entries(places)) {
    if (value !== undefined) query.set(name, `${value}`)
  }
  return query
}

/** A version by its number, or the one that readers see. @throws {UsageError} */
export function versionOption(options: OptionValues): number | 'live' | undefined {
  const text = textOption(options, 'version')
  if (text === undefined || text === 'live') return text
  const number = Number(text)
  if (/^\d+$/.test(text) && number >= 1 && number <= VERSION_MAX) return number
  throw new UsageError(`--version is "live", or an integer from 1 to ${VERSION_MAX}, not "${text}"`)
}

/** @throws {UsageError} */
export function letterId(id: string): string {
  if (/^\d{1,18}$/.test(id)) return id
  throw new UsageError(`a letter has a number, as "fairlead dlq list" shows it, not "${id}"`)
}
