import { type ClusterAdmin, createClusterAdmin } from '@fairlead/kafka'
import { Output, type OutputFormat, parseOutputFormat } from '../output/output.ts'
import {
  type Command,
  EXIT,
  type ExitCode,
  InterruptedError,
  type OptionValues,
  UsageError,
  isSet,
  textOption,
} from './command.ts'
import { failureOf } from './failure.ts'
import { helpOf, helpOfNoun } from './help.ts'
import {
  type ParsedCommand,
  brokerOptions,
  connectionOptions,
  parseCommand,
} from './parse-command.ts'

export type Terminal = {
  readonly stdout: (text: string) => void
  readonly stderr: (text: string) => void
  /** Whether somebody watches what goes to `stderr`. */
  readonly isWatched: boolean
  /** Undefined where nobody can answer. @throws {InterruptedError} when nobody wants to. */
  readonly ask: ((question: string) => Promise<string>) | undefined
  readonly env: Readonly<Record<string, string | undefined>>
  readonly signal: AbortSignal
}

/** Runs the command that a command line names. Resolves with the exit code; rejects only for a bug. */
export async function runCommand(
  commands: readonly Command[],
  argv: readonly string[],
  terminal: Terminal,
): Promise<ExitCode> {
  const nounHelp = helpOfNoun(commands, argv)
  if (nounHelp !== undefined) {
    terminal.stdout(nounHelp)
    return EXIT.ok
  }
  let output = plainOutput(terminal)
  try {
    const parsed = parseCommand(commands, argv)
    if (isSet(parsed.options, 'help')) {
      terminal.stdout(helpOf(parsed.command))
      return EXIT.ok
    }
    output = new Output({
      format: chosenFormat(parsed.options),
      hasHeaders: !isSet(parsed.options, 'no-headers'),
      streams: terminal,
    })
    return await invoke(parsed, output, terminal)
  } catch (error) {
    if (terminal.signal.aborted || error instanceof InterruptedError) return EXIT.interrupted
    const failure = failureOf(error)
    output.failureInstead(failure)
    return failure.exitCode
  }
}

async function invoke(
  { command, positionals, options }: ParsedCommand,
  output: Output,
  terminal: Terminal,
): Promise<ExitCode> {
  const connection = connectionOptions(options, terminal.env)
  const cluster = new LazyAdmin(options, terminal)
  const close = () => void cluster.close()
  terminal.signal.addEventListener('abort', close)
  try {
    return await command.run({
      positionals,
      options,
      output,
      connection,
      get admin() {
        return cluster.admin
      },
      confirm: (question) => confirmed(question, isSet(options, 'yes'), terminal),
      signal: terminal.signal,
    })
  } finally {
    terminal.signal.removeEventListener('abort', close)
    await cluster.close()
  }
}

/** Commands that read files need no broker. */
class LazyAdmin {
  readonly #options: OptionValues
  readonly #terminal: Terminal
  #admin: ClusterAdmin | undefined

  constructor(options: OptionValues, terminal: Terminal) {
    this.#options = options
    this.#terminal = terminal
  }

  get admin(): ClusterAdmin {
    this.#admin ??= this.#create()
    return this.#admin
  }

  #create(): ClusterAdmin {
    const { warnings, ...client } = brokerOptions(this.#options, this.#terminal.env)
    for (const warning of warnings) this.#terminal.stderr(`fairlead: ${warning}\n`)
    return createClusterAdmin(client)
  }

  async close(): Promise<void> {
    await this.#admin?.close()
  }
}

async function confirmed(question: string, isYes: boolean, terminal: Terminal): Promise<boolean> {
  if (isYes) return true
  if (terminal.ask === undefined) {
    throw new UsageError(`${question} Nobody can answer here: add --yes`)
  }
  const answer = await terminal.ask(`${question} [y/N] `)
  return /^y(es)?$/i.test(answer.trim())
}

/** @throws {UsageError} */
function chosenFormat(options: ParsedCommand['options']): OutputFormat | undefined {
  if (isSet(options, 'json')) return 'json'
  const format = textOption(options, 'output')
  return format === undefined ? undefined : parseOutputFormat(format)
}

function plainOutput(terminal: Terminal): Output {
  return new Output({ format: 'table', hasHeaders: true, streams: terminal })
}
