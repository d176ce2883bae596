import {
  type Command,
  EXIT,
  type OptionDefinition,
  integerOption,
  isSet,
} from '../command/command.ts'
import type { HttpApi } from '../command/http-api.ts'
import type { Column, JsonObject } from '../output/output.ts'
import { PROJECTOR_OPTION, projectorApi } from '../command/projector-api.ts'
import {
  CAUSE_FILTER,
  KEY_FILTER,
  LETTER_FILTER,
  LIMIT,
  LIMIT_MAX,
  OF_PROJECTION,
  TENANT_FILTER,
  VERSION_FILTER,
  letterId,
  limitOption,
  queryOf,
} from './letter-query.ts'

type Letter = JsonObject & {
  readonly id: string
  readonly projection: string
  readonly version: number
  readonly partition: number
  readonly offset: number
  readonly key: string
  readonly eventType: string | null
  readonly kind: string
  readonly errorClass: string | null
  readonly errorMessage: string | null
  readonly fingerprint: string | null
  readonly attempts: number
  readonly nextTryAt: string | null
}

type ParkedKey = JsonObject & {
  readonly projection: string
  readonly version: number
  readonly key: string
  readonly letters: number
  readonly parkedAt: string
  readonly attempts: number
  readonly nextTryAt: string | null
  readonly isDraining: boolean
  readonly headId: string | null
  readonly errorClass: string | null
  readonly errorMessage: string | null
  readonly fingerprint: string | null
}

type Cause = JsonObject & {
  readonly fingerprint: string
  readonly projection: string
  readonly version: number
  readonly stage: string
  readonly errorClass: string
  readonly errorMessage: string
  readonly keys: number
  readonly lastAt: string
}

type Action = JsonObject & {
  readonly id: string
  readonly at: string
  readonly actor: string
  readonly action: string
  readonly projection: string
  readonly version: number
  readonly key: string
  readonly letterId: string
  readonly reason: string
}

/** Of whole letters: as many as fit into an answer. */
type LetterPage = { readonly deadLetters: readonly JsonObject[]; readonly next: string | null }

/** Of a message, in a table. */
const MESSAGE_LENGTH_MAX = 60
const KEY_LENGTH_MAX = 60

/** Of parked keys: they are asked for page by page, and printed at once. */
const KEYS_MAX = 1_000_000
const KEYS_DEFAULT = 100

const LETTER_COLUMNS: readonly Column<Letter>[] = [
  { title: 'id', value: ({ id }) => id, align: 'right' },
  { title: 'projection', value: ({ projection, version }) => `${projection} v${version}` },
  { title: 'at', value: ({ partition, offset }) => `${partition}@${offset}` },
  { title: 'key', value: ({ key }) => key, lengthMax: KEY_LENGTH_MAX },
  { title: 'type', value: ({ eventType }) => eventType ?? '' },
  { title: 'kind', value: ({ kind }) => kind },
  { title: 'attempts', value: ({ attempts }) => attempts, align: 'right' },
  { title: 'next try', value: ({ nextTryAt }) => nextTryAt ?? '' },
  { title: 'fingerprint', value: ({ fingerprint }) => fingerprint ?? '' },
  { title: 'error', value: (letter) => errorText(letter) },
]

const KEY_COLUMNS: readonly Column<ParkedKey>[] = [
  { title: 'projection', value: ({ projection, version }) => `${projection} v${version}` },
  { title: 'key', value: ({ key }) => key, lengthMax: KEY_LENGTH_MAX },
  { title: 'letters', value: ({ letters }) => letters, align: 'right' },
  { title: 'parked at', value: ({ parkedAt }) => parkedAt },
  { title: 'attempts', value: ({ attempts }) => attempts, align: 'right' },
  { title: 'next try', value: ({ nextTryAt }) => nextTryAt ?? '' },
  { title: 'state', value: ({ isDraining }) => (isDraining ? 'draining' : 'parked') },
  { title: 'head', value: ({ headId }) => headId ?? '', align: 'right' },
  { title: 'fingerprint', value: ({ fingerprint }) => fingerprint ?? '' },
  { title: 'error', value: (key) => errorText(key) },
]

const CAUSE_COLUMNS: readonly Column<Cause>[] = [
  { title: 'fingerprint', value: ({ fingerprint }) => fingerprint },
  { title: 'projection', value: ({ projection, version }) => `${projection} v${version}` },
  { title: 'keys', value: ({ keys }) => keys, align: 'right' },
  { title: 'stage', value: ({ stage }) => stage },
  { title: 'last at', value: ({ lastAt }) => lastAt },
  { title: 'error', value: (cause) => errorText(cause) },
]

const ACTION_COLUMNS: readonly Column<Action>[] = [
  { title: 'id', value: ({ id }) => id, align: 'right' },
  { title: 'at', value: ({ at }) => at },
  { title: 'actor', value: ({ actor }) => actor },
  { title: 'action', value: ({ action }) => action },
  { title: 'projection', value: ({ projection, version }) => `${projection} v${version}` },
  { title: 'letter', value: ({ letterId }) => letterId, align: 'right' },
  { title: 'key', value: ({ key }) => key, lengthMax: KEY_LENGTH_MAX },
  { title: 'reason', value: ({ reason }) => reason },
]

export const LIST_LETTERS: Command = {
  name: 'dlq list',
  summary: 'Lists events that a projection has set aside, in the order in which it did.',
  ...OF_PROJECTION,
  options: {
    ...LETTER_FILTER,
    ...LIMIT,
    after: { value: 'id', doc: 'the page behind this letter' },
    ...PROJECTOR_OPTION,
  },
  async run({ options, output, positionals: [projection] }) {
    const query = queryOf(options, projection)
    const { deadLetters } = await projectorApi(options).get<{
      readonly deadLetters: readonly Letter[]
    }>(`/dead-letters?${query.toString()}`)
    output.list(deadLetters, LETTER_COLUMNS)
    return EXIT.ok
  },
}

export const LIST_PARKED_KEYS: Command = {
  name: 'dlq keys',
  summary: 'Lists parked keys, the oldest first, each with the letter that it waits for.',
  ...OF_PROJECTION,
  options: {
    ...CAUSE_FILTER,
    'older-than': { value: 'seconds', doc: 'parked for at least so long' },
    ...limitOption(KEYS_MAX),
    ...PROJECTOR_OPTION,
  },
  async run({ options, output, positionals: [projection], signal }) {
    const query = queryOf(options, projection, KEYS_MAX)
    const seconds = integerOption(options, 'older-than', { min: 0, max: Number.MAX_SAFE_INTEGER })
    if (seconds !== undefined) query.set('olderThanMs', `${seconds * 1_000}`)
    const keys = await parkedKeys(projectorApi(options), query, {
      keysMax: Number(query.get('limit') ?? KEYS_DEFAULT),
      signal,
    })
    output.list(keys, KEY_COLUMNS)
    return signal.aborted ? EXIT.interrupted : EXIT.ok
  },
}

async function parkedKeys(
  api: HttpApi,
  query: URLSearchParams,
  { keysMax, signal }: { readonly keysMax: number; readonly signal: AbortSignal },
): Promise<readonly ParkedKey[]> {
  const keys: ParkedKey[] = []
  for (;;) {
    query.set('limit', `${Math.min(LIMIT_MAX, keysMax - keys.length)}`)
    const page = await api.get<{
      readonly keys: readonly ParkedKey[]
      readonly next: string | null
    }>(`/dead-letters/keys?${query.toString()}`)
    for (const key of page.keys) keys.push(key)
    if (page.next === null || keys.length >= keysMax || signal.aborted) return keys
    query.set('after', page.next)
  }
}

export const LIST_CAUSES: Command = {
  name: 'dlq causes',
  summary: 'Lists why keys are parked, by fingerprint; the cause of most keys first.',
  ...OF_PROJECTION,
  options: { ...VERSION_FILTER, ...TENANT_FILTER, ...LIMIT, ...PROJECTOR_OPTION },
  async run({ options, output, positionals: [projection] }) {
    const { causes } = await projectorApi(options).get<{ readonly causes: readonly Cause[] }>(
      `/dead-letters/causes?${queryOf(options, projection).toString()}`,
    )
    output.list(causes, CAUSE_COLUMNS)
    return EXIT.ok
  },
}

export const LIST_LETTER_ACTIONS: Command = {
  name: 'dlq log',
  summary: 'Lists who replayed, discarded or edited letters, newest first.',
  ...OF_PROJECTION,
  options: {
    ...KEY_FILTER,
    ...VERSION_FILTER,
    ...LIMIT,
    after: { value: 'id', doc: 'the page behind this action, which is before it in time' },
    ...PROJECTOR_OPTION,
  },
  async run({ options, output, positionals: [projection] }) {
    const { actions } = await projectorApi(options).get<{ readonly actions: readonly Action[] }>(
      `/dead-letters/log?${queryOf(options, projection).toString()}`,
    )
    output.list(actions, ACTION_COLUMNS)
    return EXIT.ok
  },
}

const REVEAL: Readonly<Record<string, OptionDefinition>> = {
  reveal: { doc: 'with personal data, and with the bytes as they are in the log' },
}

export const SHOW_LETTER: Command = {
  name: 'dlq show',
  summary: 'Shows one letter: why it failed, its headers, its value decoded.',
  positionals: '<id>',
  positionalCount: { min: 1, max: 1 },
  options: { ...REVEAL, ...PROJECTOR_OPTION },
  async run({ options, output, positionals: [id = ''] }) {
    const letter = await projectorApi(options).get<JsonObject>(
      `/dead-letters/${letterId(id)}?reveal=${isSet(options, 'reveal')}`,
    )
    const { value, errorStack, headers, undecodable, ...rest } = letter
    const lines = Object.entries(rest).map(([name, field]) => `${name}: ${fieldText(field)}`)
    output.object(letter, [
      { title: '', text: `${lines.join('\n')}\n` },
      { title: 'headers', text: `${headerLines(headers)}\n` },
      {
        title: 'value',
        text:
          value === null ? `${fieldText(undecodable)}\n` : `${JSON.stringify(value, null, 2)}\n`,
      },
      { title: 'stack', text: `${typeof errorStack === 'string' ? errorStack : ''}\n` },
    ])
    return EXIT.ok
  },
}

export const EXPORT_LETTERS: Command = {
  name: 'dlq export',
  summary: 'Writes letters as JSON, one a line, with all that is kept of them.',
  ...OF_PROJECTION,
  options: { ...LETTER_FILTER, ...REVEAL, ...PROJECTOR_OPTION },
  async run({ options, output, positionals: [projection], signal }) {
    const api = projectorApi(options)
    const query = queryOf(options, projection)
    query.set('limit', `${LIMIT_MAX}`)
    query.set('whole', 'true')
    query.set('reveal', `${isSet(options, 'reveal')}`)
    for (let after: string | null = '0'; after !== null; ) {
      if (signal.aborted) return EXIT.interrupted
      query.set('after', after)
      const page: LetterPage = await api.get(`/dead-letters?${query.toString()}`)
      output.raw(page.deadLetters.map((letter) => `${JSON.stringify(letter)}\n`).join(''))
      after = page.next
    }
    return EXIT.ok
  },
}

function errorText(failure: {
  readonly errorClass: string | null
  readonly errorMessage: string | null
}): string {
  if (failure.errorClass === null) return ''
  const text = `${failure.errorClass}: ${failure.errorMessage}`.replaceAll(/\s+/g, ' ')
  return text.length <= MESSAGE_LENGTH_MAX ? text : `${text.slice(0, MESSAGE_LENGTH_MAX - 1)}…`
}

function fieldText(field: unknown): string {
  return typeof field === 'string' ? field : JSON.stringify(field)
}

function headerLines(headers: unknown): string {
  if (!Array.isArray(headers)) return ''
  return headers.map(([name, value]: readonly string[]) => `${name}: ${value}`).join('\n')
}
