import { lsn } from '@fairlead/base'
import { expect, test } from 'vitest'
import {
  type Converter,
  PgOutputDecoder,
  RoutedEvent,
  TransactionAssembler,
  TransactionEvents,
  TransactionMarkers,
  comparePositions,
  parsePosition,
} from './index.ts'
import { messages } from './testing/message-writer.ts'

const EVENTS = 7
const COMMIT_LSN = 0x100n

function markersOf(key: Converter, value: Converter): readonly RoutedEvent[] {
  const markers = new TransactionMarkers({
    topic: 'shop.transaction',
    converters: { key, value, header: { kind: 'raw' } },
    source: 's',
  })
  const events = new TransactionEvents(42, lsn(COMMIT_LSN))
  const at = (commitIndex: number) => ({
    position: { commitLsn: lsn(COMMIT_LSN), commitIndex },
    commitTimestampMs: 1_000,
    events,
  })
  const begin = markers.begin(at(-1))
  events.next('public.a')
  events.next('public.b')
  events.next('public.a')
  return [begin, markers.end(at(3))].filter((marker) => marker instanceof RoutedEvent)
}

function textOf(bytes: Uint8Array | null): string {
  return new TextDecoder().decode(bytes ?? undefined)
}

test.for(['raw', 'json'] as const)('begin and end of a transaction, by converter %s', (kind) => {
  const converter: Converter = kind === 'json' ? { kind, hasSchemas: false } : { kind }
  const markers = markersOf(converter, converter)
  expect(markers.map(({ key }) => textOf(key))).toEqual(['{"id":"42:256"}', '{"id":"42:256"}'])
  expect(markers.map(({ value }) => textOf(value))).toEqual([
    '{"status":"BEGIN","id":"42:256","event_count":null,"data_collections":null,"ts_ms":1000}',
    '{"status":"END","id":"42:256","event_count":3,"data_collections":[{"data_collection":"public.a","event_count":2},{"data_collection":"public.b","event_count":1}],"ts_ms":1000}',
  ])
})

test('begin and end have the schemas of Debezium', () => {
  const converter: Converter = { kind: 'json', hasSchemas: true }
  const [, end] = markersOf(converter, converter)
  const { schema: keySchema } = JSON.parse(textOf(end?.key ?? null)) as { schema: object }
  expect(keySchema).toMatchObject({
    name: 'io.debezium.connector.common.TransactionMetadataKey',
    version: 1,
    fields: [{ field: 'id', type: 'string', optional: false }],
  })
  const { schema } = JSON.parse(textOf(end?.value ?? null)) as { schema: object }
  expect(schema).toMatchObject({
    name: 'io.debezium.connector.common.TransactionMetadataValue',
    version: 1,
    fields: [
      { field: 'status', type: 'string', optional: false },
      { field: 'id', type: 'string', optional: false },
      { field: 'event_count', type: 'int64', optional: true },
      {
        field: 'data_collections',
        type: 'array',
        optional: true,
        items: {
          type: 'struct',
          optional: true,
          name: 'event.collection',
          version: 1,
          fields: [
            { field: 'data_collection', type: 'string', optional: false },
            { field: 'event_count', type: 'int64', optional: false },
          ],
        },
      },
      { field: 'ts_ms', type: 'int64', optional: false },
    ],
  })
})

test('with Avro the registry completes them, as it does events', () => {
  const [begin] = markersOf({ kind: 'avro' }, { kind: 'avro' })
  expect(begin?.encoding?.keySchema).toContain('TransactionMetadataKey')
  expect(begin?.encoding?.valueSchema).toContain('TransactionMetadataValue')
})

test('their positions are before and behind those of all events, and can be read back', () => {
  const decoder = new PgOutputDecoder()
  const assembler = new TransactionAssembler({ countsEvents: true })
  const relation = messages.relation(EVENTS, 'public', 'a', [{ name: 'id' }])
  const stream = [
    messages.begin(COMMIT_LSN, 42),
    relation,
    messages.insert(EVENTS, ['a']),
    messages.update(EVENTS, ['a'], ['b']),
    messages.commit(COMMIT_LSN, 0x130n),
  ]
  const positions = stream.flatMap((bytes) => {
    const item = assembler.accept(decoder.decode(bytes))
    return item === undefined || !('position' in item) ? [] : [item.position]
  })
  expect(positions.map(({ commitIndex }) => commitIndex)).toEqual([-1, 0, 1, 4])
  expect(positions.toSorted(comparePositions)).toEqual(positions)
  expect(parsePosition('0/100', '-1')).toEqual(positions[0])
  expect(parsePosition('0/100', '-2')).toBeUndefined()
})

test('an assembler that counts nothing gives no events', () => {
  const item = new TransactionAssembler().accept(new PgOutputDecoder().decode(messages.begin(1n)))
  expect(item).toMatchObject({ kind: 'begin', events: undefined })
})
