import { KafkaError } from '@fairlead/kafka'
import { testDatabase } from '@fairlead/testing'
import { afterEach, expect, test } from 'vitest'
import { RelayFixture } from './testing/relay-fixture.ts'

let fixture: RelayFixture

afterEach(() => fixture.close())

async function createFixture(settings?: Readonly<Record<string, string>>): Promise<RelayFixture> {
  return new RelayFixture(await testDatabase(), settings)
}

const TOPIC = 'outbox.event.order'

function valuesOf(topic: string): readonly (string | null)[] {
  return fixture.brokers
    .records(topic)
    .map(({ value }) => (value === null ? null : Buffer.from(value).toString()))
}

test('messages are events: published with their transaction, beside rows and in their order', async () => {
  fixture = await createFixture()
  await fixture.started()
  await fixture.pool.query(`begin;
    select outbox.emit('order', 'o-1', 'First', '{"n": 1}', '{"tenant": "a"}');
    insert into outbox.events (aggregatetype, aggregateid, type, payload)
      values ('order', 'o-1', 'Second', '{"n": 2}');
    select outbox.emit_bytes('order', 'o-1', 'Third', '\\x0001ff');
    commit`)
  await fixture.pool.query(`begin; select outbox.emit('order', 'o-1', 'Undone', '{}'); rollback`)
  await fixture.pool.query(`select outbox.emit('order', 'o-1', 'Removed', null)`)
  await fixture.until(() => fixture.brokers.records(TOPIC).length === 4)
  const records = fixture.brokers.records(TOPIC)
  expect(records.map(({ headerTexts }) => headerTexts.get('eventType'))).toEqual([
    'First',
    'Second',
    'Third',
    'Removed',
  ])
  expect(records.map(({ headerTexts }) => headerTexts.get('cdc.seq'))).toEqual(['0', '1', '2', '0'])
  expect(records[0]?.headerTexts.get('tenant')).toBe('a')
  expect(records[2]?.value).toEqual(Uint8Array.of(0, 1, 255))
  expect(records[3]?.value).toBeNull()
  expect(Buffer.from(records[0]?.key ?? []).toString()).toBe('o-1')
  await fixture.confirmed()
})

test('a message outside of transactions is published once, whatever becomes of its transaction', async () => {
  fixture = await createFixture()
  const relay = await fixture.started()
  const message = JSON.stringify({ id: '1', aggregatetype: 'order', aggregateid: 'k', payload: {} })
  const emit = `select pg_logical_emit_message(false, 'outbox', '${message}')`
  await fixture.pool.query(`begin; ${emit}; rollback`)
  await fixture.pool.query(`${emit}; select pg_logical_emit_message(true, 'elsewhere', 'x')`)
  await fixture.until(() => fixture.brokers.records(TOPIC).length === 2)
  await fixture.confirmed()
  await relay.stop()
  await fixture.started()
  await fixture.insert([{}])
  await fixture.until(() => fixture.brokers.records(TOPIC).length === 3)
})

test('a message with a zero character is parked, and others go on', async () => {
  fixture = await createFixture()
  await fixture.started()
  await fixture.pool.query(
    `select pg_logical_emit_message(true, 'outbox', '{"aggregatetype":"a\\u0000b","aggregateid":"1"}')`,
  )
  const [id] = await fixture.insert([{}])
  await fixture.until(() => fixture.publishedIds().length === 1)
  expect(fixture.publishedIds()).toEqual([id])
  const { rows } = await fixture.pool.query('select reason_code from relay.parked_event')
  expect(rows).toEqual([{ reason_code: 'INVALID_MESSAGE' }])
})

/** A row, and a message outside of its transaction that the commit record follows directly. */
async function insertAndEmit(type: string): Promise<void> {
  const message = JSON.stringify({
    id: 'message',
    aggregatetype: type,
    aggregateid: 'k',
    payload: {},
  })
  await fixture.pool.query(`begin;
    insert into outbox.events (aggregatetype, aggregateid, type) values ('${type}', 'k', 'Row');
    select pg_logical_emit_message(false, 'outbox', '${message}');
    commit`)
}

test('a message right before a commit takes nothing of that transaction with it', async () => {
  fixture = await createFixture({ 'max.batch.size': '1' })
  await fixture.started()
  let sends = 0
  fixture.brokers.beforeSend = () => {
    sends += 1
    // The message is published; its position is confirmed when the session ends.
    if (sends === 2) throw new KafkaError('no answer', { code: 'NETWORK', retryable: true })
  }
  await insertAndEmit('order')
  await fixture.confirmed()
  expect(fixture.brokers.records(TOPIC).map(({ headerTexts }) => headerTexts.get('id'))).toEqual([
    'message',
    expect.stringMatching(/^[0-9a-f-]{36}$/),
  ])
})

test('a message right before a commit is parked beside the row of that transaction', async () => {
  fixture = await createFixture()
  await fixture.started()
  await insertAndEmit('no topic')
  await fixture.confirmed()
  const { rows } = await fixture.pool.query<{ event_id: string; commit_lsn: string }>(
    'select event_id, commit_lsn from relay.parked_event order by commit_lsn',
  )
  expect(rows.map(({ event_id: id }) => id === 'message')).toEqual([true, false])
})

test('a message that is no JSON object is parked, and others go on', async () => {
  fixture = await createFixture()
  await fixture.started()
  await fixture.pool.query(`select pg_logical_emit_message(true, 'outbox', 'no JSON')`)
  await fixture.pool.query(`select outbox.emit('order', 'k', 'T', '{}')`)
  await fixture.until(() => fixture.brokers.records(TOPIC).length === 1)
  const { rows } = await fixture.pool.query(
    'select reason_code, convert_from(payload, $1) as payload from relay.parked_event',
    ['UTF8'],
  )
  expect(rows).toEqual([{ reason_code: 'INVALID_MESSAGE', payload: 'no JSON' }])
})

test('a partitioned outbox with columns of its own is published as its root', async () => {
  fixture = await createFixture({
    'table.include.list': 'public.log',
    'table.field.event.id': 'event_id',
    'table.field.event.key': 'tenant',
    'table.field.event.payload': 'body',
    'route.by.field': 'channel',
    'route.tenant.field': 'tenant',
    'table.fields.additional.placement': 'happened:header',
  })
  await fixture.pool.query(`create table log (event_id int, channel text, tenant text, body json,
      happened date not null) partition by range (happened);
    create table log_2026 partition of log for values from ('2026-01-01') to ('2027-01-01');
    create table log_2027 partition of log for values from ('2027-01-01') to ('2028-01-01')`)
  await fixture.started()
  await fixture.pool.query(`insert into log values
    (1, 'a', 'acme', '{"x":  1}', '2026-05-01'), (2, 'a', 'acme', '{"x":  2}', '2027-05-01')`)
  const topic = 'acme.outbox.event.a'
  await fixture.until(() => fixture.brokers.records(topic).length === 2)
  expect(valuesOf(topic)).toEqual(['{"x":  1}', '{"x":  2}'])
  const dates = fixture.brokers.records(topic).map(({ headerTexts }) => headerTexts.get('happened'))
  expect(dates).toEqual(['2026-05-01', '2027-05-01'])
})

test('ordinary tables are captured beside the outbox, by their replica identity', async () => {
  fixture = await createFixture({
    'capture.table.include.list': String.raw`public\.(a|b|c)`,
    'snapshot.mode': 'no_data',
    'unavailable.value.handling': 'omit',
    'skipped.operations': 'none',
    'topic.prefix': 'shop',
  })
  await fixture.pool.query(`create table a (id int primary key, big text, n int);
    alter table a alter column big set storage external;
    create table b (id int, code text not null unique, note text);
    alter table b replica identity using index b_code_key;
    create table c (note text); alter table c replica identity full`)
  await fixture.started()
  await fixture.pool.query(`insert into a values (1, repeat('x', 10000), 1)`)
  await fixture.pool.query('update a set n = 2')
  await fixture.pool.query('update a set id = 2')
  await fixture.pool.query('delete from a')
  await fixture.pool.query('truncate a, c')
  await fixture.pool.query(`insert into b values (1, 'x', 'n'); update b set note = 'm';
    delete from b`)
  await fixture.pool.query(`insert into c values ('n'); update c set note = 'm'`)
  await fixture.insert([{}])
  await fixture.until(() => fixture.brokers.records('shop.public.c').length === 3)
  const shortOf = (text: string | null) => {
    if (text === null) return null
    const { op, before, after } = JSON.parse(text) as Record<string, unknown>
    return { op, before, after }
  }
  expect(valuesOf('shop.public.a').slice(1).map(shortOf)).toEqual([
    { op: 'u', before: null, after: { id: 1, n: 2 } },
    { op: 'd', before: { id: 1, big: null, n: null }, after: null },
    null,
    { op: 'c', before: null, after: { id: 2, n: 2 } },
    { op: 'd', before: { id: 2, big: null, n: null }, after: null },
    null,
    { op: 't', before: null, after: null },
  ])
  expect(valuesOf('shop.public.b').slice(1).map(shortOf)).toEqual([
    { op: 'u', before: null, after: { id: 1, code: 'x', note: 'm' } },
    { op: 'd', before: { id: null, code: 'x', note: null }, after: null },
    null,
  ])
  expect(valuesOf('shop.public.c').map(shortOf)).toEqual([
    { op: 't', before: null, after: null },
    { op: 'c', before: null, after: { note: 'n' } },
    { op: 'u', before: { note: 'n' }, after: { note: 'm' } },
  ])
  const keys = fixture.brokers
    .records('shop.public.b')
    .map(({ key }) => Buffer.from(key ?? []).toString())
  expect(new Set(keys)).toEqual(new Set(['{"code":"x"}']))
  await fixture.until(() => fixture.publishedIds().length === 1)
})

function keysOf(topic: string): readonly (string | null)[] {
  return fixture.brokers
    .records(topic)
    .map(({ key }) => (key === null ? null : Buffer.from(key).toString()))
}

const CAPTURE_A = {
  'capture.table.include.list': String.raw`public\.a`,
  'snapshot.mode': 'no_data',
  'topic.prefix': 'shop',
  'topic.creation.default.partitions': '1',
}

test('keys follow a column of the primary key that is renamed while rows flow', async () => {
  fixture = await createFixture(CAPTURE_A)
  await fixture.pool.query('create table a (tenant text, id int, primary key (tenant, id))')
  await fixture.started()
  await fixture.pool.query(`insert into a values ('t', 1)`)
  await fixture.until(() => keysOf('shop.public.a').length === 1)
  await fixture.pool.query('alter table a rename column id to order_id')
  await fixture.pool.query(`insert into a values ('t', 2)`)
  await fixture.pool.query(`begin; insert into a values ('t', 3);
    alter table a rename column tenant to customer; insert into a values ('t', 4); commit`)
  await fixture.until(() => keysOf('shop.public.a').length === 4)
  expect(keysOf('shop.public.a')).toEqual([
    '{"tenant":"t","id":1}',
    '{"tenant":"t","order_id":2}',
    '{"tenant":"t","order_id":3}',
    '{"customer":"t","order_id":4}',
  ])
  await fixture.confirmed()
})

test('rows from before a renaming that the relay only reads afterwards have their own key', async () => {
  fixture = await createFixture(CAPTURE_A)
  await fixture.pool.query('create table a (tenant text, id int, primary key (tenant, id))')
  const relay = await fixture.started()
  await relay.stop()
  await fixture.pool.query(`insert into a values ('t', 1)`)
  await fixture.pool.query('alter table a rename column id to order_id')
  await fixture.pool.query(`insert into a values ('t', 2)`)
  await fixture.started()
  await fixture.until(() => keysOf('shop.public.a').length === 2)
  expect(keysOf('shop.public.a')).toEqual(['{"tenant":"t","id":1}', '{"tenant":"t","order_id":2}'])
})

test('a column that may be null from now on is published as null', async () => {
  fixture = await createFixture(CAPTURE_A)
  await fixture.pool.query('create table a (id int primary key, n int not null)')
  await fixture.started()
  await fixture.pool.query('insert into a values (1, 1)')
  await fixture.until(() => valuesOf('shop.public.a').length === 1)
  await fixture.pool.query('alter table a alter column n drop not null')
  await fixture.pool.query('insert into a values (2, null)')
  await fixture.until(() => valuesOf('shop.public.a').length === 2)
  const { after } = JSON.parse(valuesOf('shop.public.a')[1] ?? '') as { after: unknown }
  expect(after).toEqual({ id: 2, n: null })
})
