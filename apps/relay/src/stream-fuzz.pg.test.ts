import { DecodeError } from '@fairlead/base'
import { PgOutputDecoder, TransactionAssembler } from '@fairlead/cdc'
import { testDatabase } from '@fairlead/testing'
import fc from 'fast-check'
import pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'

/** What a server of this version really sends, by the version of its protocol. */
const recordings = new Map<string, readonly Uint8Array[]>()
const PROTOCOLS = ['1', '2', '3', '4']
const RUNS = 3_000

let drop: () => Promise<void>

beforeAll(async () => {
  const database = await testDatabase()
  drop = () => database.drop()
  const client = new pg.Client({ connectionString: database.url })
  await client.connect()
  await client.query(`create type mood as enum ('sad', 'happy');
    create table item (id int primary key, name text, mood mood, big text, tags text[], at timestamptz);
    alter table item alter column big set storage external;
    create table note (text text); alter table note replica identity full;
    create publication p for table item, note`)
  await client.query(`select pg_create_logical_replication_slot('fuzz_' || $1, 'pgoutput')`, [
    database.url.slice(-12),
  ])
  for (const text of CHANGES) await client.query(text)
  for (const protocol of PROTOCOLS) {
    const streaming = protocol === '1' ? '' : `, 'streaming', 'on'`
    const { rows } = await client.query<{ data: Buffer }>(
      `select data from pg_logical_slot_peek_binary_changes('fuzz_' || $1, null, null,
         'proto_version', $2, 'publication_names', 'p', 'messages', 'true'${streaming})`,
      [database.url.slice(-12), protocol],
    )
    recordings.set(
      protocol,
      rows.map(({ data }) => new Uint8Array(data)),
    )
  }
  await client.end()
})

afterAll(() => drop())

const CHANGES = [
  `insert into item values (1, 'a', 'sad', repeat('x', 9000), '{a,"b c"}', now()), (2, null, null, null, null, null)`,
  `update item set name = 'b' where id = 1`,
  'update item set id = 3 where id = 1',
  `begin; insert into note values ('n'); savepoint s; insert into note values ('undone');
   rollback to s; update note set text = 'm'; commit`,
  `select pg_logical_emit_message(true, 'outbox', '{"id": "1"}')`,
  `select pg_logical_emit_message(false, 'outbox', 'x')`,
  'alter table item add column more int default 5',
  'delete from item; truncate note, item',
  // Beyond logical_decoding_work_mem: later protocols send it before its commit.
  `set logical_decoding_work_mem = '64kB'`,
  `insert into item select n, repeat('y', 200) from generate_series(10, 2000) as n`,
]

/** Everything but a `DecodeError` is a bug. */
function readAll(messages: readonly Uint8Array[]): 'read' | 'refused' {
  const decoder = new PgOutputDecoder()
  const assembler = new TransactionAssembler()
  try {
    for (const bytes of messages) {
      const item = assembler.accept(decoder.decode(bytes))
      if (item?.kind === 'row') readRow(item.change)
    }
    return 'read'
  } catch (error) {
    if (error instanceof DecodeError) return 'refused'
    throw error
  }
}

type Row = Extract<ReturnType<TransactionAssembler['accept']>, { kind: 'row' }>['change']

function readRow(change: Row): void {
  const tuple = change.kind === 'delete' ? change.oldRow : change.row
  for (let column = 0; column < tuple.columnCount; column += 1) tuple.value(column)
}

function recorded(protocol: string): readonly Uint8Array[] {
  return recordings.get(protocol) ?? []
}

test('F33: what a server sends in the protocol that we ask for is read to its end', () => {
  expect(recorded('1').length).toBeGreaterThan(2_000)
  expect(readAll(recorded('1'))).toBe('read')
})

test.for(['2', '3', '4'])(
  'F33: a stream of protocol version %s, which we never ask for, is refused by its own messages',
  (protocol) => {
    const messages = recorded(protocol)
    expect(messages.some(([kind]) => kind === 'S'.charCodeAt(0))).toBe(true)
    expect(readAll(messages)).toBe('refused')
  },
)

test('F33: a message that is cut anywhere is refused, or was complete there', () => {
  for (const kind of new Set(recorded('1').map(([first]) => first))) {
    const index = recorded('1').findIndex(([first]) => first === kind)
    const before = recorded('1').slice(0, index)
    const whole = recorded('1')[index] ?? new Uint8Array()
    for (let length = 0; length < Math.min(whole.length, 400); length += 1) {
      readAll([...before, whole.subarray(0, length)])
    }
  }
})

test('F33: garbled, repeated and missing messages end in a DecodeError or in nothing', () => {
  const stream = recorded('1').slice(0, 60)
  fc.assert(
    fc.property(
      fc.array(
        fc.record({
          index: fc.nat({ max: stream.length - 1 }),
          position: fc.nat(),
          byte: fc.integer({ min: 0, max: 255 }),
          kind: fc.constantFrom('flip', 'cut', 'drop', 'repeat'),
        }),
        { minLength: 1, maxLength: 4 },
      ),
      (faults) => {
        const messages = stream.map((bytes) => [bytes])
        for (const { index, position, byte, kind } of faults) {
          const [bytes = new Uint8Array()] = messages[index] ?? []
          const changed = new Uint8Array(bytes)
          changed[position % Math.max(1, bytes.length)] = byte
          if (kind === 'flip') messages[index] = [changed]
          else if (kind === 'cut') messages[index] = [bytes.slice(0, position % (bytes.length + 1))]
          else messages[index] = kind === 'drop' ? [] : [bytes, bytes]
        }
        readAll(messages.flat())
      },
    ),
    { numRuns: RUNS },
  )
})
