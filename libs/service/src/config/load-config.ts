import { readFileSync } from 'node:fs'
import { errorMessage, nearestName } from '@fairlead/base'
import { environmentName, isServiceLink, keyOfVariable } from './env-names.ts'
import { type RawValue, parseConfigFile } from './parse-file.ts'
import { type ConfigValue, parseValue, rawText } from './parse-value.ts'
import { type ConfigFamily, type ConfigOf, type ConfigSpec, familyOf } from './spec.ts'

export type ConfigSource = 'flag' | 'environment' | 'file' | 'default'

export type LoadedConfig<Spec extends ConfigSpec> = {
  readonly config: ConfigOf<Spec>
  /** Where each key's value came from. */
  readonly sources: ReadonlyMap<string, ConfigSource>
  /** The text of each key that somebody set, trimmed, as it was written. */
  readonly texts: ReadonlyMap<string, string>
  /** Sentences for the log: keys that are accepted but have no effect. */
  readonly warnings: readonly string[]
}

/** Every problem of a configuration at once, one line each: key, rule and next step. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
  readonly problems: readonly string[]

  constructor(problems: readonly string[]) {
    super(`the configuration has ${problems.length} problem(s):\n  ${problems.join('\n  ')}`)
    this.problems = problems
  }
}

/** What users bring from elsewhere, and what has no place in a spec. */
export type UnsupportedNames = {
  /** Families of keys by their first characters, such as `listener.name.`, with the reason. */
  readonly prefixes?: Readonly<Record<string, string>>
  /** Variables that are no keys, though they begin with our prefix, such as `KAFKA_OPTS`. */
  readonly variables?: RegExp
}

type Candidate = { readonly raw: RawValue; readonly source: ConfigSource; readonly origin: string }

/**
 * Merges flags, environment, file and defaults, in this order of precedence, and checks every value.
 *
 * Flags are `--key=value` or `--key value`; `--config path` names the file. A secret may come from a
 * file that `<VARIABLE>_FILE` names.
 *
 * @throws {ConfigError} with all problems: unknown keys with the nearest known one, missing required
 *   keys, values that break a rule.
 */
export function loadConfig<const Spec extends ConfigSpec>(
  spec: Spec,
  options: {
    readonly envPrefix: string
    readonly argv: readonly string[]
    readonly env: Readonly<Record<string, string | undefined>>
    readonly unsupported?: UnsupportedNames
  },
): LoadedConfig<Spec> {
  const problems: string[] = []
  const flags = readFlags(options.argv, problems)
  const configPath = flags.get('config')
  flags.delete('config')

  const layers = [
    fromFile(configPath, problems),
    fromEnvironment(spec, options, problems),
    fromFlags(flags),
  ]
  return checkLayers(spec, { layers, problems, unsupported: options.unsupported })
}

/**
 * Checks values that come from one place, such as a file of another program's format, which messages
 * name as `origin`.
 *
 * @throws {ConfigError} as {@link loadConfig}.
 */
export function checkConfig<const Spec extends ConfigSpec>(
  spec: Spec,
  values: ReadonlyMap<string, RawValue>,
  origin: string,
): LoadedConfig<Spec> {
  const layer = new Map<string, Candidate>(
    [...values].map(([key, raw]) => [key, { raw, source: 'file', origin }]),
  )
  return checkLayers(spec, { layers: [layer], problems: [], unsupported: undefined })
}

/** A later layer goes before an earlier one. */
function checkLayers<const Spec extends ConfigSpec>(
  spec: Spec,
  given: {
    readonly layers: readonly ReadonlyMap<string, Candidate>[]
    /** Those of reading the layers; the others come behind them. */
    readonly problems: string[]
    readonly unsupported: UnsupportedNames | undefined
  },
): LoadedConfig<Spec> {
  const { layers, problems, unsupported } = given
  const candidates = new Map<string, Candidate>()
  const warnings: string[] = []
  for (const layer of layers) {
    for (const [key, candidate] of layer) {
      const reason = unsupportedReason(key, unsupported?.prefixes)
      const isKnown = Object.hasOwn(spec, key) && spec[key]?.type !== 'family'
      if (isKnown || familyOf(spec, key) !== undefined) candidates.set(key, candidate)
      else if (reason !== undefined) warnings.push(noEffect(key, candidate.origin, reason))
      else problems.push(unknownKey(key, candidate.origin, Object.keys(spec)))
    }
  }

  const checked = checkValues(spec, candidates, problems)
  if (problems.length > 0) throw new ConfigError(problems)
  return {
    ...checked,
    config: checked.config as ConfigOf<Spec>,
    warnings: [...checked.warnings, ...warnings],
  }
}

function checkValues(
  spec: ConfigSpec,
  candidates: ReadonlyMap<string, Candidate>,
  problems: string[],
): LoadedConfig<ConfigSpec> {
  const config: Record<string, ConfigValue | undefined> = {}
  const sources = new Map<string, ConfigSource>()
  const texts = new Map<string, string>()
  const warnings: string[] = []
  for (const [key, keySpec] of Object.entries(spec)) {
    if (keySpec.type === 'family') {
      config[key] = membersOf(spec, key, candidates, { sources, texts })
      continue
    }
    const candidate = candidates.get(key)
    if (candidate === undefined) {
      config[key] = 'default' in keySpec ? keySpec.default : undefined
      sources.set(key, 'default')
      if (keySpec.required === true) problems.push(`${key} is required: ${keySpec.doc}`)
      continue
    }
    const parsed = parseValue(keySpec, candidate.raw)
    if (!parsed.ok) {
      const shown = keySpec.secret === true ? '(secret)' : JSON.stringify(candidate.raw)
      problems.push(`${key} ${parsed.rule}, but ${candidate.origin} has ${shown}`)
      continue
    }
    if (keySpec.type === 'unsupported') {
      warnings.push(noEffect(key, candidate.origin, keySpec.doc))
    }
    config[key] = parsed.value
    sources.set(key, candidate.source)
    texts.set(key, rawText(candidate.raw))
  }
  return { config, sources, texts, warnings }
}

function membersOf(
  spec: ConfigSpec,
  family: string,
  candidates: ReadonlyMap<string, Candidate>,
  into: { readonly sources: Map<string, ConfigSource>; readonly texts: Map<string, string> },
): ConfigFamily {
  const members = [...candidates].filter(
    ([key]) => !Object.hasOwn(spec, key) && familyOf(spec, key) === family,
  )
  for (const [key, { source, raw }] of members) {
    into.sources.set(key, source)
    into.texts.set(key, rawText(raw))
  }
  return Object.fromEntries(
    members.map(([key, { raw }]) => [key.slice(family.length), rawText(raw)]),
  )
}

/** The reason of the family that a name belongs to, if any. */
function unsupportedReason(
  name: string,
  prefixes: Readonly<Record<string, string>> = {},
): string | undefined {
  return Object.entries(prefixes).find(([prefix]) => name.startsWith(prefix))?.[1]
}

function noEffect(key: string, origin: string, reason: string): string {
  return `${key} (${origin}) has no effect: ${reason}`
}

function readFlags(argv: readonly string[], problems: string[]): Map<string, string> {
  const flags = new Map<string, string>()
  for (let index = 0; index < argv.length; index += 1) {
    const argument = argv[index] ?? ''
    const match = /^--([^=]+)(?:=(.*))?$/s.exec(argument)
    if (match === null) {
      problems.push(`"${argument}" is not a flag: write --key=value`)
      continue
    }
    const [, key = '', inline] = match
    if (inline === undefined) index += 1
    const value = inline ?? argv[index]
    if (value === undefined) problems.push(`--${key} needs a value: --${key}=value`)
    else flags.set(key, value)
  }
  return flags
}

function fromFlags(flags: ReadonlyMap<string, string>): Map<string, Candidate> {
  return new Map(
    [...flags].map(([key, raw]) => [key, { raw, source: 'flag', origin: `flag --${key}` }]),
  )
}

function fromFile(path: string | undefined, problems: string[]): Map<string, Candidate> {
  if (path === undefined) return new Map()
  try {
    const values = parseConfigFile(path, readFileSync(path, 'utf8'))
    return new Map(
      [...values].map(([key, raw]) => [key, { raw, source: 'file', origin: `file ${path}` }]),
    )
  } catch (error) {
    problems.push(`cannot read --config ${path}: ${errorMessage(error)}`)
    return new Map()
  }
}

function fromEnvironment(
  spec: ConfigSpec,
  options: {
    readonly envPrefix: string
    readonly env: Readonly<Record<string, string | undefined>>
    readonly unsupported?: UnsupportedNames
  },
  problems: string[],
): Map<string, Candidate> {
  const { envPrefix, env } = options
  const keys = new Map(Object.keys(spec).map((key) => [environmentName(envPrefix, key), key]))
  const values = new Map<string, Candidate>()
  for (const [variable, value] of Object.entries(env)) {
    if (value === undefined || !variable.startsWith(envPrefix)) continue
    const key = keys.get(variable)
    const candidate: Candidate = {
      raw: value,
      source: 'environment',
      origin: `variable ${variable}`,
    }
    if (key !== undefined) {
      values.set(key, candidate)
      continue
    }
    const secretKey = keys.get(variable.replace(/_FILE$/, ''))
    if (secretKey !== undefined && spec[secretKey]?.secret === true) {
      const secret = readSecret(variable, value, problems)
      if (secret !== undefined) values.set(secretKey, secret)
    } else if (isOfFamily(spec, variable, options)) {
      values.set(keyOfVariable(variable, envPrefix), candidate)
    } else if (
      !isServiceLink(envPrefix, variable) &&
      !options.unsupported?.variables?.test(variable)
    ) {
      problems.push(unknownKey(variable, 'the environment', keys.keys()))
    }
  }
  return values
}

function isOfFamily(
  spec: ConfigSpec,
  variable: string,
  {
    envPrefix,
    unsupported,
  }: { readonly envPrefix: string; readonly unsupported?: UnsupportedNames },
): boolean {
  const key = keyOfVariable(variable, envPrefix)
  return (
    familyOf(spec, key) !== undefined || unsupportedReason(key, unsupported?.prefixes) !== undefined
  )
}

function readSecret(variable: string, path: string, problems: string[]): Candidate | undefined {
  try {
    const raw = readFileSync(path, 'utf8').trim()
    return { raw, source: 'environment', origin: `file of ${variable}` }
  } catch (error) {
    problems.push(`cannot read the file that ${variable} names: ${errorMessage(error)}`)
    return undefined
  }
}

function unknownKey(key: string, origin: string, known: Iterable<string>): string {
  const nearest = nearestName(key, known)
  const suggestion = nearest === undefined ? 'see --help for all keys' : `did you mean ${nearest}?`
  return `unknown key ${key} in ${origin}: ${suggestion}`
}
