import { parseArgs } from 'node:util'
import { errorMessage, nearestName } from '@fairlead/base'
import type { ClientOptions } from '@fairlead/kafka'
import {
  type ClientConfig,
  bootstrapServers,
  clientConfig,
  readProperties,
} from './client-config.ts'
import {
  type Command,
  type ConnectionOptions,
  type OptionDefinition,
  type OptionValues,
  UsageError,
  textOption,
  timeoutOption,
} from './command.ts'

export const GLOBAL_OPTIONS: Readonly<Record<string, OptionDefinition>> = {
  'bootstrap-server': {
    short: 'B',
    value: 'host:port,...',
    doc: 'brokers to begin with (default: $FAIRLEAD_BOOTSTRAP_SERVER, then bootstrap.servers of --command-config, then 127.0.0.1:9092)',
  },
  'command-config': {
    value: 'file',
    doc: "properties of Kafka's clients, as its tools take them: security.protocol, sasl.…, ssl.… (default: $FAIRLEAD_COMMAND_CONFIG)",
  },
  registry: {
    value: 'url',
    doc: 'schema registry (default: $FAIRLEAD_SCHEMA_REGISTRY, then http://127.0.0.1:8081)',
  },
  output: { short: 'o', value: 'format', doc: 'table, json, jsonl or yaml (default: table)' },
  json: { doc: 'the same as --output json' },
  'no-headers': { doc: 'no line of column names in tables' },
  timeout: { value: 'ms', doc: 'deadline of each request, 1 to 600000 (default: 30000)' },
  yes: { short: 'y', doc: 'do not ask' },
  help: { short: 'h', doc: 'print this text' },
}

const REGISTRY_DEFAULT = 'http://127.0.0.1:8081'
const CLIENT_ID = 'fairlead-cli'
const TIMEOUT_DEFAULT_MS = 30_000
/** Words of the longest name of a command. */
const WORDS_MAX = 3

export type ParsedCommand = {
  readonly command: Command
  readonly positionals: readonly string[]
  readonly options: OptionValues
}

/**
 * The command that a command line names, with its options.
 *
 * @throws {UsageError} that names what is wrong, and the nearest name there is.
 */
export function parseCommand(commands: readonly Command[], argv: readonly string[]): ParsedCommand {
  const command = findCommand(commands, argv)
  const rest = argv.slice(command.name.split(' ').length)
  const { positionals, options } = parseOptions(command, rest)
  const { min, max } = command.positionalCount
  const isHelp = options['help'] === true
  if (!isHelp && (positionals.length < min || positionals.length > max)) {
    throw new UsageError(`usage: fairlead ${command.name} ${command.positionals}`.trimEnd())
  }
  return { command, positionals, options }
}

function isGroup(commands: readonly Command[], noun: string): boolean {
  return commands.some(({ name }) => name.startsWith(`${noun} `))
}

function findCommand(commands: readonly Command[], argv: readonly string[]): Command {
  const [first = '', second = ''] = argv
  const typedWords = argv.slice(0, WORDS_MAX).join(' ')
  const found = commands.find(({ name }) => `${typedWords} `.startsWith(`${name} `))
  if (found !== undefined) return found
  const words = argv.slice(0, WORDS_MAX).filter((word) => !word.startsWith('-'))
  if (isGroup(commands, words.join(' '))) {
    const noun = words.join(' ')
    throw new UsageError(
      `"${noun}" is no command by itself: "fairlead ${noun} --help" lists those that begin with it`,
    )
  }
  const ofNoun = commands.filter(({ name }) => name.startsWith(`${first} `))
  const isDeep = ofNoun.some(({ name }) => name.startsWith(`${first} ${second} `))
  const ofSome = isDeep ? typedWords : `${first} ${second}`.trimEnd()
  const typed = ofNoun.length > 0 ? ofSome : first
  const names = ofNoun.length > 0 ? ofNoun.map(({ name }) => name) : nounsOf(commands)
  const nearest = nearestName(typed, names)
  const suggestion = nearest === undefined ? '' : `; did you mean "fairlead ${nearest}"?`
  throw new UsageError(`there is no command "${typed}"${suggestion}`)
}

function nounsOf(commands: readonly Command[]): readonly string[] {
  return [...new Set(commands.map(({ name }) => name.split(' ')[0] ?? ''))]
}

function parseOptions(command: Command, argv: readonly string[]) {
  const definitions = { ...GLOBAL_OPTIONS, ...command.options }
  try {
    const { positionals, values } = parseArgs({
      args: joinNegativeNumbers(argv),
      strict: true,
      allowPositionals: true,
      options: Object.fromEntries(
        Object.entries(definitions).map(([name, { short, value, isRepeatable }]) => [
          name,
          {
            type: value === undefined ? ('boolean' as const) : ('string' as const),
            multiple: isRepeatable === true,
            ...(short === undefined ? {} : { short }),
          },
        ]),
      ),
    })
    return { positionals, options: values as OptionValues }
  } catch (error) {
    throw new UsageError(unknownOption(error, Object.keys(definitions)))
  }
}

/** `--shift-by -5`: a value that looks like an option to the parser. */
function joinNegativeNumbers(argv: readonly string[]): string[] {
  const joined: string[] = []
  for (const argument of argv) {
    const previous = joined.at(-1) ?? ''
    const isValue = /^-\d+$/.test(argument) && previous.startsWith('--') && !previous.includes('=')
    if (isValue) joined[joined.length - 1] = `${previous}=${argument}`
    else joined.push(argument)
  }
  return joined
}

function unknownOption(error: unknown, names: readonly string[]): string {
  const message = errorMessage(error).split('. ')[0] ?? ''
  const short = /Unknown option '(-[^-'])'/.exec(message)?.[1]
  if (short !== undefined) return `there is no option ${short}`
  const typed = /Unknown option '--([^']+)'/.exec(message)?.[1]
  if (typed === undefined) return message
  const nearest = nearestName(typed, names)
  return `there is no option --${typed}${nearest === undefined ? '' : `; did you mean --${nearest}?`}`
}

export function connectionOptions(
  options: OptionValues,
  env: Readonly<Record<string, string | undefined>>,
): ConnectionOptions {
  return {
    registryUrl:
      textOption(options, 'registry') ?? env['FAIRLEAD_SCHEMA_REGISTRY'] ?? REGISTRY_DEFAULT,
    requestTimeoutMs: timeoutOption(options) ?? TIMEOUT_DEFAULT_MS,
  }
}

/** How brokers are reached. Reads the file of --command-config. @throws {UsageError} */
export function brokerOptions(
  options: OptionValues,
  env: Readonly<Record<string, string | undefined>>,
): ClientOptions & Pick<ClientConfig, 'warnings'> {
  const path = textOption(options, 'command-config') ?? env['FAIRLEAD_COMMAND_CONFIG']
  const config = clientConfig(path === undefined ? new Map() : readProperties(path), path ?? '')
  const servers = textOption(options, 'bootstrap-server') ?? env['FAIRLEAD_BOOTSTRAP_SERVER']
  return {
    bootstrapServers: bootstrapServers(servers, config),
    clientId: config['client.id'] ?? CLIENT_ID,
    requestTimeoutMs: timeoutOption(options) ?? config['request.timeout.ms'] ?? TIMEOUT_DEFAULT_MS,
    security: config.security,
    isRefusalFinal: true,
    warnings: config.warnings,
  }
}
