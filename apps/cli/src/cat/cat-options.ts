import type { Compression } from '@fairlead/kafka'
import { UsageError, parseInteger } from '../command/command.ts'

export type CatMode = 'consume' | 'produce' | 'list' | 'query' | 'group'

/** Where consuming starts: kcat's `-o`. */
export type StartOffset =
  | { readonly kind: 'beginning' | 'end' | 'stored' }
  | { readonly kind: 'offset'; readonly offset: number }
  | { readonly kind: 'beforeEnd'; readonly count: number }
  | { readonly kind: 'timestamp'; readonly timestampMs: number }

export type CatOptions = {
  readonly mode: CatMode
  /** What was typed; undefined when the properties say it. */
  readonly brokers: string | undefined
  readonly topic: string | undefined
  /** Every -t, for a query of several partitions. */
  readonly topics: readonly string[]
  readonly partition: number | undefined
  readonly groupId: string | undefined
  /** Files to produce, topics of a group, or `topic:partition:timestamp` of a query. */
  readonly operands: readonly string[]
  readonly start: StartOffset
  readonly stopTimestampMs: number | undefined
  readonly exitAtEnd: boolean
  readonly recordCountMax: number
  /** Undefined: the value and the delimiter. */
  readonly format: string | undefined
  readonly isJson: boolean
  readonly isQuiet: boolean
  readonly isUnbuffered: boolean
  readonly delimiter: string
  readonly keyDelimiter: string | undefined
  readonly isEmptyNull: boolean
  readonly isFilePerLine: boolean
  readonly compression: Compression
  readonly key: string | undefined
  readonly headers: readonly (readonly [string, string])[]
  readonly avro: { readonly key: boolean; readonly value: boolean }
  readonly registryUrl: string | undefined
  /** File of properties, which those of -X go before. */
  readonly configFile: string | undefined
  readonly properties: Readonly<Record<string, string>>
}

const MODES: Readonly<Record<string, CatMode>> = {
  C: 'consume',
  P: 'produce',
  L: 'list',
  Q: 'query',
  G: 'group',
}
const SWITCHES = new Set(['e', 'J', 'q', 'u', 'Z', 'l', 'O', 'v', 'E', 'T'])
const VALUES = new Set([
  'b',
  't',
  'p',
  'o',
  'c',
  'f',
  'D',
  'K',
  'k',
  'H',
  's',
  'r',
  'X',
  'z',
  'd',
  'F',
])
const COMPRESSIONS: readonly Compression[] = ['none', 'gzip', 'snappy', 'lz4', 'zstd']
const INT32_MAX = 2 ** 31 - 1
const OFFSET_RANGE = { min: 0, max: Number.MAX_SAFE_INTEGER }

type Letters = {
  readonly mode: CatMode | undefined
  readonly switches: ReadonlySet<string>
  readonly values: ReadonlyMap<string, readonly string[]>
  readonly operands: readonly string[]
}

/** kcat's command line. @throws {UsageError} that names the letter and its rule. */
export function parseCatOptions(
  argv: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): CatOptions {
  const letters = readLetters(argv)
  const one = (letter: string): string | undefined => letters.values.get(letter)?.at(-1)
  const is = (letter: string): boolean => letters.switches.has(letter)
  const properties = kafkaNamed(assignments(letters.values.get('X') ?? [], '-X'))
  const [groupId, ...groupTopics] = letters.operands
  const isGroup = letters.mode === 'group'
  const options: CatOptions = {
    mode: letters.mode ?? (process.stdin.isTTY ? 'consume' : 'produce'),
    brokers: one('b') ?? properties['bootstrap.servers'] ?? env['FAIRLEAD_BOOTSTRAP_SERVER'],
    topic: one('t'),
    topics: letters.values.get('t') ?? [],
    partition: integer(one('p'), '-p', { min: -1, max: INT32_MAX }),
    groupId: isGroup ? groupId : undefined,
    operands: isGroup ? groupTopics : letters.operands,
    ...parseStart(letters.values.get('o') ?? []),
    exitAtEnd: is('e'),
    recordCountMax: integer(one('c'), '-c', OFFSET_RANGE) ?? Number.POSITIVE_INFINITY,
    format: one('f'),
    isJson: is('J'),
    isQuiet: is('q'),
    isUnbuffered: is('u'),
    delimiter: unescape(one('D') ?? '\\n'),
    keyDelimiter: one('K') === undefined ? undefined : unescape(one('K') ?? ''),
    isEmptyNull: is('Z'),
    isFilePerLine: is('l'),
    compression: parseCompression(one('z') ?? 'none'),
    key: one('k'),
    headers: Object.entries(assignments(letters.values.get('H') ?? [], '-H')),
    avro: parseSerdes(letters.values.get('s') ?? []),
    registryUrl: one('r'),
    configFile: one('F') ?? env['FAIRLEAD_COMMAND_CONFIG'],
    properties,
  }
  checkOptions(options)
  return options
}

/** librdkafka's names of what Kafka's clients have, too. */
const KAFKA_NAMES: Readonly<Record<string, string>> = {
  'metadata.broker.list': 'bootstrap.servers',
  'sasl.mechanisms': 'sasl.mechanism',
  'ssl.ca.location': 'ssl.truststore.location',
}

export function kafkaNamed(
  properties: Readonly<Record<string, string>>,
): Readonly<Record<string, string>> {
  return Object.fromEntries(
    Object.entries(properties).map(([name, value]) => [KAFKA_NAMES[name] ?? name, value]),
  )
}

/** Letters may stand together (`-CeJ`), and a value may follow at once (`-torders`). */
function readLetters(argv: readonly string[]): Letters {
  let mode: CatMode | undefined
  const switches = new Set<string>()
  const values = new Map<string, string[]>()
  const operands: string[] = []
  for (let index = 0; index < argv.length; index += 1) {
    const argument = argv[index] ?? ''
    if (!argument.startsWith('-') || argument === '-') {
      operands.push(argument)
      continue
    }
    for (let position = 1; position < argument.length; position += 1) {
      const letter = argument[position] ?? ''
      const chosen = MODES[letter]
      if (chosen !== undefined && Object.hasOwn(MODES, letter)) {
        mode = chosen
      } else if (SWITCHES.has(letter)) {
        switches.add(letter)
      } else if (VALUES.has(letter)) {
        const rest = argument.slice(position + 1)
        const value = rest === '' ? argv[(index += 1)] : rest
        if (value === undefined) throw new UsageError(`-${letter} needs a value`)
        values.set(letter, [...(values.get(letter) ?? []), value])
        break
      } else {
        throw new UsageError(`there is no option -${letter}: see fairlead cat --help`)
      }
    }
  }
  return { mode, switches, values, operands }
}

function parseStart(texts: readonly string[]): Pick<CatOptions, 'start' | 'stopTimestampMs'> {
  let start: StartOffset = { kind: 'beginning' }
  let stopTimestampMs: number | undefined
  for (const text of texts) {
    if (text.startsWith('e@')) stopTimestampMs = parseInteger(text.slice(2), '-o e@', OFFSET_RANGE)
    else start = parseStartOffset(text)
  }
  return { start, stopTimestampMs }
}

function parseStartOffset(text: string): StartOffset {
  if (text === 'beginning' || text === 'end' || text === 'stored') return { kind: text }
  if (text.startsWith('s@')) {
    const timestampMs = parseInteger(text.slice(2), '-o s@', OFFSET_RANGE)
    return { kind: 'timestamp', timestampMs }
  }
  if (text.startsWith('-')) {
    return { kind: 'beforeEnd', count: parseInteger(text.slice(1), '-o -', OFFSET_RANGE) }
  }
  return { kind: 'offset', offset: parseInteger(text, '-o', OFFSET_RANGE) }
}

function parseSerdes(texts: readonly string[]): CatOptions['avro'] {
  let avro = { key: false, value: false }
  for (const text of texts) {
    if (text === 'avro') avro = { key: true, value: true }
    else if (text === 'key=avro') avro = { ...avro, key: true }
    else if (text === 'value=avro') avro = { ...avro, value: true }
    else throw new UsageError(`-s is avro, key=avro or value=avro, not "${text}"`)
  }
  return avro
}

function parseCompression(text: string): Compression {
  const chosen = COMPRESSIONS.find((name) => name === text)
  if (chosen !== undefined) return chosen
  throw new UsageError(`-z is one of ${COMPRESSIONS.join(', ')}, not "${text}"`)
}

function checkOptions(options: CatOptions): void {
  const { mode, topic, groupId, operands, avro, registryUrl } = options
  if ((mode === 'consume' || mode === 'produce') && topic === undefined) {
    throw new UsageError('-t names the topic')
  }
  if (mode === 'group' && (groupId === undefined || operands.length === 0)) {
    throw new UsageError('-G is followed by a group and its topics')
  }
  if (mode === 'query' && topic === undefined && operands.length === 0) {
    throw new UsageError('-Q needs -t topic:partition:timestamp')
  }
  if (mode === 'consume' && options.start.kind === 'stored') {
    throw new UsageError('-o stored needs a group: use -G')
  }
  if ((avro.key || avro.value) && registryUrl === undefined) {
    throw new UsageError('-s avro needs -r, the URL of the schema registry')
  }
}

function integer(
  text: string | undefined,
  what: string,
  range: { readonly min: number; readonly max: number },
): number | undefined {
  return text === undefined ? undefined : parseInteger(text, what, range)
}

function assignments(texts: readonly string[], what: string): Readonly<Record<string, string>> {
  return Object.fromEntries(
    texts.map((text) => {
      const separator = text.indexOf('=')
      if (separator <= 0) throw new UsageError(`${what} is name=value, not "${text}"`)
      return [text.slice(0, separator), text.slice(separator + 1)]
    }),
  )
}

const ESCAPES: Readonly<Record<string, string>> = {
  n: '\n',
  r: '\r',
  t: '\t',
  e: '\u001b',
  '0': '\0',
}

/** `\n`, `\r`, `\t`, `\e`, `\0`, `\xNN`, `\\`. */
export function unescape(text: string): string {
  return text.replaceAll(/\\(x([0-9a-fA-F]{2})|.)/g, (_, escape: string, hex?: string) =>
    hex === undefined ? (ESCAPES[escape] ?? escape) : String.fromCharCode(Number.parseInt(hex, 16)),
  )
}
