import { readFileSync } from 'node:fs'
import { errorMessage, nearestName } from '@fairlead/base'
import { environmentName, isServiceLink } from './env-names.ts'
import { type RawValue, parseConfigFile } from './parse-file.ts'
import { type ConfigValue, parseValue } from './parse-value.ts'
import type { ConfigOf, ConfigSpec } from './spec.ts'

export type ConfigSource = 'flag' | 'environment' | 'file' | 'default'

export type LoadedConfig<Spec extends ConfigSpec> = {
  readonly config: ConfigOf<Spec>
  /** Where each key's value came from. */
  readonly sources: ReadonlyMap<string, ConfigSource>
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
  const candidates = new Map<string, Candidate>()
  for (const layer of layers) {
    for (const [key, candidate] of layer) {
      if (key in spec) candidates.set(key, candidate)
      else problems.push(unknownKey(key, candidate.origin, Object.keys(spec)))
    }
  }

  const checked = checkValues(spec, candidates, problems)
  if (problems.length > 0) throw new ConfigError(problems)
  return { ...checked, config: checked.config as ConfigOf<Spec> }
}

function checkValues(
  spec: ConfigSpec,
  candidates: ReadonlyMap<string, Candidate>,
  problems: string[],
): LoadedConfig<ConfigSpec> {
  const config: Record<string, ConfigValue | undefined> = {}
  const sources = new Map<string, ConfigSource>()
  const warnings: string[] = []
  for (const [key, keySpec] of Object.entries(spec)) {
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
      warnings.push(`${key} (${candidate.origin}) has no effect: ${keySpec.doc}`)
    }
    config[key] = parsed.value
    sources.set(key, candidate.source)
  }
  return { config, sources, warnings }
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
  },
  problems: string[],
): Map<string, Candidate> {
  const { envPrefix, env } = options
  const keys = new Map(Object.keys(spec).map((key) => [environmentName(envPrefix, key), key]))
  const values = new Map<string, Candidate>()
  for (const [variable, value] of Object.entries(env)) {
    if (value === undefined || !variable.startsWith(envPrefix)) continue
    const key = keys.get(variable)
    if (key !== undefined) {
      values.set(key, { raw: value, source: 'environment', origin: `variable ${variable}` })
      continue
    }
    const secretKey = keys.get(variable.replace(/_FILE$/, ''))
    if (secretKey !== undefined && spec[secretKey]?.secret === true) {
      const secret = readSecret(variable, value, problems)
      if (secret !== undefined) values.set(secretKey, secret)
    } else if (!isServiceLink(envPrefix, variable)) {
      problems.push(unknownKey(variable, 'the environment', keys.keys()))
    }
  }
  return values
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
