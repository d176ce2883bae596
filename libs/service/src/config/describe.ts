import { environmentName } from './env-names.ts'
import type { ConfigSource } from './load-config.ts'
import type { ConfigFamily, ConfigSpec, KeySpec } from './spec.ts'

const MASK = '********'

/** The text of `--help`: every key with its variable, default, range and meaning. */
export function describeConfig(
  spec: ConfigSpec,
  program: { readonly name: string; readonly description: string; readonly envPrefix: string },
): string {
  const keys = Object.entries(spec)
    .filter(([, key]) => key.type !== 'unsupported')
    .map(([name, key]) => {
      const shown = key.type === 'family' ? name + key.members : name
      const variable = environmentName(program.envPrefix, shown)
      return `  --${shown}=<${typeName(key)}>  ${facts(key)}\n      ${key.doc}\n      ${variable}`
    })
  return [
    `${program.name}: ${program.description}`,
    '',
    'A value comes from the first of: flag, environment variable, file, default.',
    '',
    '  --config=<path>\n      File with keys: .yaml, .yml, .json, or Java properties.',
    '  --print-config\n      Print the checked configuration and exit.',
    '  --help\n      Print this text and exit.',
    '',
    ...keys,
    '',
  ].join('\n')
}

/** The checked configuration as properties, with the source of each value; secrets are masked. */
export function printConfig(
  spec: ConfigSpec,
  config: Readonly<Record<string, unknown>>,
  sources: ReadonlyMap<string, ConfigSource>,
): string {
  return Object.keys(spec)
    .filter((key) => config[key] !== undefined)
    .flatMap((key) => valuesOf(spec, key, config[key]))
    .map(([key, value]) => `${key}=${value}  # ${sources.get(key) ?? 'default'}\n`)
    .join('')
}

function valuesOf(spec: ConfigSpec, key: string, value: unknown): (readonly [string, string])[] {
  const keySpec = spec[key]
  const isSecret = keySpec?.secret === true
  if (keySpec?.type !== 'family') return [[key, isSecret ? MASK : withoutPasswords(String(value))]]
  return Object.entries(value as ConfigFamily).map(([name, text]) => [
    key + name,
    isSecret ? MASK : text,
  ])
}

/** Of URLs. */
function withoutPasswords(text: string): string {
  return text.replace(/(:\/\/[^/@\s:]*:)[^/@\s]*@/g, `$1${MASK}@`)
}

function typeName(key: KeySpec): string {
  if (key.type === 'family') return 'string'
  return key.type === 'enum' ? key.values.join('|') : key.type
}

function facts(key: KeySpec): string {
  const parts: string[] = []
  if (key.required === true) parts.push('required')
  if ('default' in key && key.default !== undefined) parts.push(`default ${String(key.default)}`)
  if ('min' in key && key.min !== undefined) parts.push(`min ${key.min}`)
  if ('max' in key && key.max !== undefined) parts.push(`max ${key.max}`)
  return parts.join(', ')
}
