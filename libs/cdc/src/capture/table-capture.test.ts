import { expect, test } from 'vitest'
import {
  DEFAULT_VALUE_OPTIONS,
  EMPTY_CATALOG,
  PgOutputDecoder,
  type RoutedEvent,
  type SourceCatalog,
  TableCapture,
  TransactionAssembler,
} from '../index.ts'
import { messages } from '../testing/message-writer.ts'

const TABLE = 7

/** The records of the rows of one transaction. */
function captured(
  stream: readonly Uint8Array[],
  options: { readonly keyColumns?: readonly string[]; readonly catalog?: SourceCatalog } = {},
): readonly RoutedEvent[] {
  const { keyColumns, catalog = EMPTY_CATALOG } = options
  const capture = new TableCapture({
    tables: [/^public\.a$/],
    exceptTables: [],
    tombstonesOnDelete: true,
    skippedOperations: new Set(),
    keyColumns: keyColumns === undefined ? [] : [{ table: /^public\.a$/, columns: keyColumns }],
    unavailableValues: 'placeholder',
    converters: {
      key: { kind: 'json', hasSchemas: false },
      value: { kind: 'json', hasSchemas: false },
      header: { kind: 'raw' },
    },
    values: DEFAULT_VALUE_OPTIONS,
    catalog,
    contextHeaders: [],
    topicPrefix: 'shop',
    version: '1',
    source: 's',
    wallNowMs: () => 0,
  })
  const decoder = new PgOutputDecoder()
  const assembler = new TransactionAssembler()
  return [messages.begin(0x100n), ...stream].flatMap((bytes) => {
    const item = assembler.accept(decoder.decode(bytes))
    const events = item?.kind === 'row' ? capture.capture(item) : []
    return events.filter((event) => event.kind === 'routed')
  })
}

function keysOf(events: readonly RoutedEvent[]): readonly (string | null)[] {
  return events.map(({ key }) => (key === null ? null : new TextDecoder().decode(key)))
}

test('a large value of the key that an update did not change is taken from the old row', () => {
  const events = captured(
    [
      messages.relation(TABLE, 'public', 'a', [{ name: 'code' }, { name: 'note' }]),
      messages.update(TABLE, ['large', 'old'], [undefined, 'new']),
    ],
    { keyColumns: ['code'] },
  )
  expect(keysOf(events)).toEqual(['{"code":"large"}'])
})

test('a key of which the relation has not all columns is not taken from the catalog', () => {
  const facts = { columns: new Map(), primaryKey: ['tenant', 'order_id'] }
  const catalog = { ...EMPTY_CATALOG, tables: new Map([['public.a', facts]]) }
  const columns = [
    { name: 'tenant', isKey: true },
    { name: 'id', isKey: true },
  ]
  const events = captured(
    [messages.relation(TABLE, 'public', 'a', columns), messages.insert(TABLE, ['t', '1'])],
    { catalog },
  )
  expect(keysOf(events)).toEqual(['{"tenant":"t","id":"1"}'])
})
