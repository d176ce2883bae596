import {
  type Command,
  EXIT,
  type OptionDefinition,
  type OptionValues,
  UsageError,
  integerOption,
  isSet,
  textOption,
} from '../command/command.ts'
import type { Column, JsonObject } from '../output/output.ts'
import { RELAY_OPTION, RelayApi } from './relay-api.ts'
import { reportSignal } from './report-signal.ts'

type ParkedEvent = JsonObject & {
  readonly parkedId: string
  readonly kind: string
  readonly reasonCode: string
  readonly reason: string
  readonly aggregateType: string | null
  readonly aggregateId: string | null
  readonly type: string | null
  readonly parkedAt: string
}

const LIMIT_MAX = 1_000
const COLUMNS: readonly Column<ParkedEvent>[] = [
  { title: 'id', value: ({ parkedId }) => parkedId },
  { title: 'kind', value: ({ kind }) => kind },
  {
    title: 'aggregate',
    value: (event) => `${event.aggregateType ?? ''}/${event.aggregateId ?? ''}`,
  },
  { title: 'type', value: ({ type }) => type ?? '' },
  { title: 'parked at', value: ({ parkedAt }) => parkedAt },
  { title: 'code', value: ({ reasonCode }) => reasonCode },
]

const AGGREGATE: Readonly<Record<string, OptionDefinition>> = {
  'aggregate-type': { value: 'type', doc: 'events of this aggregate type' },
  'aggregate-id': { value: 'id', doc: 'events of this aggregate' },
}
const SELECTION = {
  ...AGGREGATE,
  all: { doc: 'every event that is parked' },
  ...RELAY_OPTION,
}

export const LIST_PARKED: Command = {
  name: 'relay dlq list',
  summary: 'Lists events that a relay has set aside, newest first.',
  positionals: '',
  positionalCount: { min: 0, max: 0 },
  options: {
    state: { value: 'state', doc: 'parked (the default), replayed or discarded' },
    ...AGGREGATE,
    limit: { value: 'n', doc: `at most this many, 1 to ${LIMIT_MAX} (default: 100)` },
    before: { value: 'id', doc: 'the page behind this event' },
    ...RELAY_OPTION,
  },
  async run({ options, output }) {
    const limit = integerOption(options, 'limit', { min: 1, max: LIMIT_MAX })
    const query = new URLSearchParams()
    if (limit !== undefined) query.set('limit', `${limit}`)
    const names = {
      state: 'state',
      'aggregate-type': 'aggregateType',
      'aggregate-id': 'aggregateId',
    }
    for (const [option, name] of Object.entries({ ...names, before: 'before' })) {
      const value = textOption(options, option)
      if (value !== undefined) query.set(name, value)
    }
    const { parked } = await new RelayApi(options).get<{ readonly parked: readonly ParkedEvent[] }>(
      `/parked?${query.toString()}`,
    )
    output.list(parked, COLUMNS)
    return EXIT.ok
  },
}

export const SHOW_PARKED: Command = {
  name: 'relay dlq show',
  summary: 'Shows one event that was set aside: why, its headers, its payload.',
  positionals: '<id>',
  positionalCount: { min: 1, max: 1 },
  options: RELAY_OPTION,
  async run({ options, output, positionals: [id = ''] }) {
    const event = await new RelayApi(options).get<
      ParkedEvent & { readonly payloadBase64: string | null }
    >(`/parked/${parsedId(id)}`)
    const { payloadBase64, ...rest } = event
    const payload =
      payloadBase64 === null ? 'not kept' : Buffer.from(payloadBase64, 'base64').toString()
    const lines = Object.entries(rest).map(
      ([name, value]) => `${name}: ${typeof value === 'string' ? value : JSON.stringify(value)}`,
    )
    output.object(event, [
      { title: '', text: `${lines.join('\n')}\n` },
      { title: 'payload', text: `${payload}\n` },
    ])
    return EXIT.ok
  },
}

export const REPLAY_PARKED: Command = {
  name: 'relay dlq replay',
  summary: 'Publishes parked events again, in order, and releases their aggregates.',
  positionals: '[<id>]',
  positionalCount: { min: 0, max: 1 },
  options: {
    ...SELECTION,
    topic: { value: 'topic', doc: 'publish to this topic, not to the one they were routed to' },
  },
  notes:
    'An event stands for its whole aggregate, whose order is kept: the first event that fails again stops it.',
  async run({ options, output, positionals: [id], signal }) {
    const topic = textOption(options, 'topic')
    const body = { ...selectionOf(options, id), ...(topic === undefined ? {} : { topic }) }
    return reportSignal(output, await new RelayApi(options).order('/parked/replay', body, signal))
  },
}

export const DISCARD_PARKED: Command = {
  name: 'relay dlq discard',
  summary: 'Gives up parked events: they are never published.',
  positionals: '[<id>]',
  positionalCount: { min: 0, max: 1 },
  options: SELECTION,
  notes: 'With an id that event alone: replay the rest of its aggregate afterwards.',
  async run({ options, output, positionals: [id], signal, confirm }) {
    const body = selectionOf(options, id)
    if (!(await confirm(`Give up ${described(body)}?`))) return EXIT.failed
    return reportSignal(output, await new RelayApi(options).order('/parked/discard', body, signal))
  },
}

/** @throws {UsageError} unless the user said which events, in one way. */
function selectionOf(
  options: OptionValues,
  id: string | undefined,
): Readonly<Record<string, string | boolean>> {
  const aggregateType = textOption(options, 'aggregate-type')
  const aggregateId = textOption(options, 'aggregate-id')
  const isAggregate = aggregateType !== undefined && aggregateId !== undefined
  const ways = [id !== undefined, isSet(options, 'all'), isAggregate].filter(Boolean).length
  if (ways !== 1) {
    throw new UsageError('say which events: an id, --aggregate-type with --aggregate-id, or --all')
  }
  if (id !== undefined) return { parkedId: parsedId(id) }
  return isAggregate ? { aggregateType, aggregateId } : { all: true }
}

function parsedId(id: string): string {
  if (/^\d{1,18}$/.test(id)) return id
  throw new UsageError(`an event has a number, as "fairlead relay dlq list" shows it, not "${id}"`)
}

function described(selection: Readonly<Record<string, string | boolean>>): string {
  if (selection['all'] === true) return 'every parked event'
  const { parkedId, aggregateType, aggregateId } = selection
  return parkedId === undefined
    ? `the parked events of ${String(aggregateType)} ${String(aggregateId)}`
    : `event ${String(parkedId)}`
}
