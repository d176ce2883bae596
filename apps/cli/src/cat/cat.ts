import type { ClientOptions } from '@fairlead/kafka'
import type { Terminal } from '../command/run-command.ts'
import { bootstrapServers, clientConfig, readProperties } from '../command/client-config.ts'
import { EXIT, type ExitCode } from '../command/command.ts'
import { failureOf } from '../command/failure.ts'
import { type CatMode, type CatOptions, kafkaNamed, parseCatOptions } from './cat-options.ts'
import { consumeGroup } from './consume-group.ts'
import { consume } from './consume.ts'
import { listMetadata, queryOffsets } from './metadata.ts'
import { produce } from './produce.ts'

const CAT_USAGE = `Usage: fairlead cat [-C|-P|-L|-Q|-G group] [options]    (kcat's letters)

Modes (without one: -P when something is piped in, else -C):
  -C  print records      -P  send stdin, a record a line, or files     -L  list brokers and topics
  -G <group> <topic>...  print as a member of a group, and commit
  -Q -t <topic>:<partition>:<timestamp>  offset at a time; -2 the first, -1 the end (-t again for more)

Options:
  -b <host:port,...>  brokers (default: $FAIRLEAD_BOOTSTRAP_SERVER, then 127.0.0.1:9092)
  -t <topic>          topic                   -p <n>    partition (default: all; -P: by key)
  -o <offset>         beginning, end, stored (-G), an offset, -n before the end,
                      s@<ms> from a time on, e@<ms> up to a time
  -c <n>              end after n records     -e        end at the end of every partition
  -f <format>         %s value %k key %t topic %p partition %o offset %T time %h headers
                      %S %K lengths (-1: null) %R length as int32 %% and \\n \\t \\xNN
  -J                  JSON, a record a line   -D <text> between records (default: \\n)
  -K <text>           between key and value   -k <key>  key of every record
  -H <name=value>     header of every record  -Z        send empty as null; print it as NULL
  -l                  files hold a record a line        -u  send each record at once
  -z <codec>          compress: none, gzip, snappy, lz4, zstd
  -s avro -r <url>    decode with the schemas of a registry (also key=avro, value=avro)
  -X <name=value>     client property: bootstrap.servers, client.id, request.timeout.ms,
                      auto.offset.reset, security.protocol, sasl.…, ssl.…
  -F <file>           of properties (default: $FAIRLEAD_COMMAND_CONFIG)
  -q                  be quiet
`

const CLIENT_ID = 'fairlead-cat'
const TIMEOUT_DEFAULT_MS = 30_000

/** A terminal that also takes and gives bytes. */
export type CatTerminal = Terminal & {
  readonly stdin: AsyncIterable<Uint8Array>
  /** Resolves when stdout can take more. */
  readonly write: (bytes: Uint8Array) => Promise<void>
}

const MODES: Readonly<
  Record<
    CatMode,
    (
      client: Parameters<typeof consume>[0],
      options: CatOptions,
      terminal: CatTerminal,
    ) => Promise<ExitCode>
  >
> = { consume, produce, list: listMetadata, query: queryOffsets, group: consumeGroup }

/** @throws {UsageError} */
function withConfigFile(options: CatOptions): CatOptions {
  const { configFile, properties } = options
  if (configFile === undefined) return options
  const ofFile = [...readProperties(configFile)].map(([name, value]) => [name, String(value)])
  return { ...options, properties: { ...kafkaNamed(Object.fromEntries(ofFile)), ...properties } }
}

/** @throws {UsageError} */
function clientOptions(options: CatOptions, { stderr }: CatTerminal): ClientOptions {
  const { brokers, configFile, properties } = options
  const origin = configFile === undefined ? '-X' : `-X or ${configFile}`
  const config = clientConfig(new Map(Object.entries(properties)), origin)
  for (const warning of config.warnings) stderr(`fairlead cat: ${warning}\n`)
  return {
    bootstrapServers: bootstrapServers(brokers, config),
    clientId: config['client.id'] ?? CLIENT_ID,
    requestTimeoutMs: config['request.timeout.ms'] ?? TIMEOUT_DEFAULT_MS,
    security: config.security,
    isRefusalFinal: true,
  }
}

/** Resolves with the exit code. */
export async function runCat(argv: readonly string[], terminal: CatTerminal): Promise<ExitCode> {
  if (argv.length === 0 || argv.includes('--help') || argv.includes('-h')) {
    terminal.stdout(CAT_USAGE)
    return EXIT.ok
  }
  try {
    const options = withConfigFile(parseCatOptions(argv, terminal.env))
    const client = clientOptions(options, terminal)
    return await MODES[options.mode](client, options, terminal)
  } catch (error) {
    if (terminal.signal.aborted) return EXIT.interrupted
    const { exitCode, message, hint } = failureOf(error)
    terminal.stderr(`fairlead cat: ${message}${hint === '' ? '' : `\n  ${hint}`}\n`)
    return exitCode
  }
}
