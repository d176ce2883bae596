import { type OptionValues, UsageError, integerOption, textOption } from '../command/command.ts'
import { VERSION_MAX } from '../command/projector-api.ts'

/** The path of what is done with a projection, with the options that were given as its query. */
export function projectionPath(
  name: string,
  action: string,
  query: Readonly<Record<string, string | number | boolean | undefined>> = {},
): string {
  const search = new URLSearchParams()
  for (const [key, value] of Object.entries(query)) {
    if (value !== undefined) search.set(key, String(value))
  }
  const path = `/projections/${encodeURIComponent(name)}${action === '' ? '' : `/${action}`}`
  return search.size === 0 ? path : `${path}?${search.toString()}`
}

/** @throws {UsageError} */
export function versionOption(options: OptionValues): number | undefined {
  if (textOption(options, 'version') === undefined) return undefined
  const version = integerOption(options, 'version', { min: -VERSION_MAX, max: VERSION_MAX })
  if (version !== 0) return version
  throw new UsageError('--version counts from 1, or from -1 downwards for throw-away versions')
}
