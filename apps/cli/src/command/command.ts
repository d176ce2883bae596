import type { ClusterAdmin } from '@fairlead/kafka'
import type { Output } from '../output/output.ts'

/** An option as a user types it; without `value` it is a switch. */
export type OptionDefinition = {
  readonly short?: string
  /** Name of the value in the help. */
  readonly value?: string
  readonly isRepeatable?: boolean
  readonly doc: string
}

export type OptionValues = Readonly<Record<string, string | boolean | readonly string[]>>

/** One thing that `fairlead` does, such as `topic create`. */
export type Command = {
  /** As it is typed: `topic create`. */
  readonly name: string
  readonly summary: string
  /** Names of what follows the command, for the help: `<topic>...`. */
  readonly positionals: string
  /** How many may follow. */
  readonly positionalCount: { readonly min: number; readonly max: number }
  readonly options: Readonly<Record<string, OptionDefinition>>
  /** Further lines of the help, such as examples. */
  readonly notes?: string
  /** Resolves with the exit code. */
  run(invocation: Invocation): Promise<ExitCode>
}

/** What a command is given: what the user typed, and the way to the cluster and to the terminal. */
export type Invocation = {
  readonly positionals: readonly string[]
  readonly options: OptionValues
  readonly output: Output
  /** Connects when it is first used. */
  readonly admin: ClusterAdmin
  readonly connection: ConnectionOptions
  /** Asks on the terminal; true without asking after `--yes`. @throws {UsageError} without a terminal. */
  readonly confirm: (question: string) => Promise<boolean>
  /** Fires at Ctrl-C. */
  readonly signal: AbortSignal
}

export type ConnectionOptions = {
  /** Of the schema registry. */
  readonly registryUrl: string
  readonly requestTimeoutMs: number
}

export const EXIT = {
  ok: 0,
  failed: 1,
  usage: 2,
  notFound: 3,
  denied: 4,
  conflict: 5,
  unreachable: 6,
  unhealthy: 10,
  changes: 11,
  interrupted: 130,
} as const

export type ExitCode = (typeof EXIT)[keyof typeof EXIT]

/** What the user typed cannot be carried out as it stands. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}

/** The user ended a question in the place of answering it. */
export class InterruptedError extends Error {
  override readonly name = 'InterruptedError'
}

/** The text of an option that takes a value; undefined when it is not given. */
export function textOption(options: OptionValues, name: string): string | undefined {
  const value = options[name]
  return typeof value === 'string' ? value : undefined
}

export function isSet(options: OptionValues, name: string): boolean {
  return options[name] === true
}

export function listOption(options: OptionValues, name: string): readonly string[] {
  const value = options[name]
  return Array.isArray(value) ? (value as readonly string[]) : []
}

/** An integer of a bounded range. @throws {UsageError} that names the option and the range. */
export function integerOption(
  options: OptionValues,
  name: string,
  range: { readonly min: number; readonly max: number },
): number | undefined {
  const text = textOption(options, name)
  return text === undefined ? undefined : parseInteger(text, `--${name}`, range)
}

const TIMEOUT_MAX_MS = 600_000

/** The deadline of each request, whatever is asked; undefined when it is not given. @throws {UsageError} */
export function timeoutOption(options: OptionValues): number | undefined {
  return integerOption(options, 'timeout', { min: 1, max: TIMEOUT_MAX_MS })
}

export function parseInteger(
  text: string,
  what: string,
  { min, max }: { readonly min: number; readonly max: number },
): number {
  const value = Number(text)
  if (/^-?\d+$/.test(text) && value >= min && value <= max) return value
  throw new UsageError(`${what} is an integer from ${min} to ${max}, not "${text}"`)
}

/** `name=value` pairs. @throws {UsageError} */
export function parseAssignments(
  texts: readonly string[],
  what: string,
): Readonly<Record<string, string>> {
  return Object.fromEntries(
    texts.map((text) => {
      const separator = text.indexOf('=')
      if (separator <= 0) throw new UsageError(`${what} is name=value, not "${text}"`)
      return [text.slice(0, separator), text.slice(separator + 1)]
    }),
  )
}
