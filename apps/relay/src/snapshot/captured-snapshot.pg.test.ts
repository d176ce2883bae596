import { testDatabase } from '@fairlead/testing'
import pg from 'pg'
import { afterEach, expect, test } from 'vitest'
import { listSignals, readSignal, requestSignal } from '../signals/request-signal.ts'
import { RelayFixture } from '../testing/relay-fixture.ts'

let fixture: RelayFixture

afterEach(() => fixture.close())

const SETTINGS = {
  'capture.table.include.list': String.raw`public\.(item|part|note)`,
  'topic.prefix': 'shop',
  'skipped.operations': 'none',
  'topic.creation.default.partitions': '1',
}

type Envelope = {
  readonly op: string
  readonly before: unknown
  readonly after: Readonly<Record<string, unknown>> | null
  readonly source: Readonly<Record<string, unknown>>
}

function records(table: string) {
  return fixture.brokers.records(`shop.public.${table}`).map(({ key, value, headerTexts }) => ({
    key: Buffer.from(key ?? []).toString(),
    isReplayed: headerTexts.has('cdc.replayed'),
    envelope: value === null ? null : (JSON.parse(Buffer.from(value).toString()) as Envelope),
  }))
}

function operations(table: string): readonly (string | undefined)[] {
  return records(table).map(({ envelope }) => envelope?.op)
}

/** What somebody has who reads the topic from its begin. */
function stateOf(table: string): ReadonlyMap<string, unknown> {
  const state = new Map<string, unknown>()
  for (const { key, envelope } of records(table)) {
    if (envelope?.op === 't') state.clear()
    else if (envelope === null || envelope.after === null) state.delete(key)
    else state.set(key, envelope.after)
  }
  return state
}

async function hasSpoiltChunk(): Promise<boolean> {
  const text = await fixture.metricsText()
  return /^relay_snapshot_chunks_reread_total(?:\{.*\})? [1-9]/m.test(text)
}

async function finished(signalId: string) {
  await fixture.until(async () => {
    const state = (await readSignal(fixture.pool, fixture.slotName, signalId))?.state
    return state === 'done' || state === 'failed'
  })
  return readSignal(fixture.pool, fixture.slotName, signalId)
}

/** Of the snapshot that was ordered last. */
async function lastFinished() {
  const [signal] = await listSignals(fixture.pool, fixture.slotName, 1)
  return finished(signal?.signalId ?? '')
}

const ITEMS = `create table item (
  id int primary key, name char(8) not null, active boolean not null, price numeric, tags text[])`

test('rows that are older than the slot are read as op r, with the values that the log has', async () => {
  fixture = new RelayFixture(await testDatabase(), SETTINGS)
  await fixture.pool.query(ITEMS)
  await fixture.pool.query(`insert into item
    values (1, 'a', true, 1.50, '{x,NULL}'), (2, 'b', false, null, null)`)
  await fixture.started()
  expect(await lastFinished()).toMatchObject({
    state: 'done',
    data: { type: 'initial' },
    progress: { rows: 2 },
  })
  await fixture.pool.query('update item set id = id')
  await fixture.until(() => records('item').length === 4)
  const [first, second, ...updated] = records('item')
  expect([first, second].map((record) => record?.envelope)).toMatchObject([
    { op: 'r', before: null, source: { snapshot: 'true', table: 'item', txId: null } },
    { op: 'r', before: null, source: { snapshot: 'true' } },
  ])
  expect([first?.isReplayed, updated[0]?.isReplayed]).toEqual([true, false])
  expect([first, second].map((record) => [record?.key, record?.envelope?.after])).toEqual(
    updated.map((record) => [record.key, record.envelope?.after]),
  )
})

test('the name of a table may have dots, quotes and characters beyond ASCII', async () => {
  fixture = new RelayFixture(await testDatabase(), {
    ...SETTINGS,
    'capture.table.include.list': String.raw`public\..*`,
  })
  const names = ['a.b', 'ü"\'x']
  for (const name of names) {
    const table = pg.escapeIdentifier(name)
    await fixture.pool.query(
      `create table ${table} (id int primary key); insert into ${table} values (1)`,
    )
  }
  await fixture.started()
  expect(await lastFinished()).toMatchObject({ state: 'done', progress: { rows: 2 } })
  await fixture.pool.query('insert into "a.b" values (2)')
  await fixture.until(() => records('a.b').length === 2)
  expect(operations('a.b')).toEqual(['r', 'c'])
})

test('while rows change, what a reader has in the end is the table', async () => {
  fixture = new RelayFixture(await testDatabase(), {
    ...SETTINGS,
    'incremental.snapshot.chunk.size': '7',
  })
  // The log has the columns of the index alone of a row that is deleted, not the primary key.
  await fixture.pool.query(`create table item (id int primary key, n int);
    create table part (id int primary key, code text not null unique, n int);
    alter table part replica identity using index part_code_key;
    insert into item select n, 0 from generate_series(1, 150) as n;
    insert into part select n, 'c' || n, 0 from generate_series(1, 150) as n`)
  await fixture.started({ 'message.key.columns': String.raw`public\.part:code` })
  let round = 0
  const running = lastFinished()
  const over = new AbortController()
  void running.then(() => over.abort())
  while (!over.signal.aborted) {
    round += 1
    const id = 1 + ((round * 31) % 150)
    await fixture.pool.query(`update item set n = ${round} where id = ${id};
      delete from item where id = ${1 + ((round * 17) % 150)};
      delete from part where id = ${1 + ((round * 23) % 150)};
      update part set n = ${round} where id = ${id};
      insert into item values (${id}, ${round}) on conflict do nothing;
      insert into part values (${id}, 'c${id}', ${round}) on conflict do nothing`)
  }
  expect(await running).toMatchObject({ state: 'done' })
  expect(round).toBeGreaterThan(5)
  await fixture.confirmed()
  for (const [table, key] of [
    ['item', 'id'],
    ['part', 'code'],
  ] as const) {
    const { rows } = await fixture.pool.query<Record<string, unknown>>(`select * from ${table}`)
    const expected = new Map(rows.map((row) => [JSON.stringify({ [key]: row[key] }), row]))
    expect(operations(table)).toContain('r')
    expect(stateOf(table)).toEqual(expected)
  }
})

test('rows that were read before their table was truncated do not come behind that', async () => {
  fixture = new RelayFixture(await testDatabase(), {
    ...SETTINGS,
    'incremental.snapshot.chunk.size': '10',
  })
  await fixture.pool.query(`create table item (id int primary key);
    insert into item select n from generate_series(1, 500) as n`)
  await fixture.started()
  // Each waits for the lock of the chunk that is being read, and is in the log right behind it. The
  // snapshot ends only after they do: a chunk that was spoilt is read anew.
  const finishing = lastFinished()
  for (let round = 1; round <= 100 || !(await hasSpoiltChunk()); round += 1) {
    await fixture.pool.query(`begin; truncate item;
      insert into item select n from generate_series(1, 500) as n where n % 7 = ${round % 7}; commit`)
  }
  expect(await finishing).toMatchObject({ state: 'done' })
  await fixture.confirmed()
  const { rows } = await fixture.pool.query<{ id: number }>('select id from item')
  expect(new Set(stateOf('item').keys())).toEqual(new Set(rows.map(({ id }) => `{"id":${id}}`)))
})

test('a snapshot that is interrupted goes on behind its last durable chunk', async () => {
  fixture = new RelayFixture(await testDatabase(), {
    ...SETTINGS,
    'incremental.snapshot.chunk.size': '100',
  })
  await fixture.pool.query(ITEMS)
  await fixture.pool.query(
    `insert into item select n, 'a', true from generate_series(1, 1000) as n`,
  )
  // However late it is stopped, there is more to read.
  fixture.brokers.afterSend = () => {
    if (records('item').length >= 300) fixture.brokers.isStuck = true
  }
  const relay = await fixture.started()
  await fixture.until(() => fixture.brokers.isStuck)
  const stopped = relay.stop()
  fixture.brokers.afterSend = () => undefined
  fixture.brokers.unstick()
  await stopped
  const isOver = (await listSignals(fixture.pool, fixture.slotName, 1))[0]?.state === 'done'
  await fixture.started()
  expect(await lastFinished()).toMatchObject({ state: 'done', progress: { rows: 1_000 } })
  expect(isOver).toBe(false)
  expect(stateOf('item').size).toBe(1_000)
  expect(records('item').length).toBeLessThanOrEqual(1_100)
})

test('snapshot.mode: never reads nothing, always reads at each start', async () => {
  fixture = new RelayFixture(await testDatabase(), SETTINGS)
  await fixture.pool.query(`${ITEMS}; insert into item values (1, 'a', true)`)
  const never = await fixture.started({ 'snapshot.mode': 'never' })
  await fixture.insert([{}])
  await fixture.confirmed()
  expect(await listSignals(fixture.pool, fixture.slotName, 1)).toEqual([])
  await never.stop()
  const first = await fixture.started({ 'snapshot.mode': 'always' })
  await fixture.until(() => records('item').length === 1)
  await lastFinished()
  await first.stop()
  await fixture.started({ 'snapshot.mode': 'always' })
  await fixture.until(() => records('item').length === 2)
  expect(operations('item')).toEqual(['r', 'r'])
})

test('a transaction that ran when the session began is waited for, and the log goes on', async () => {
  fixture = new RelayFixture(await testDatabase(), SETTINGS)
  await fixture.pool.query(ITEMS)
  const relay = await fixture.started()
  await lastFinished()
  await relay.stop()
  const older = new pg.Client({ connectionString: fixture.url })
  await older.connect()
  await older.query(`begin; insert into item values (1, 'old', true)`)
  await fixture.started()
  await fixture.pool.query(`insert into item values (2, 'new', true)`)
  const id = await requestSignal(fixture.pool, fixture.slotName, {
    type: 'execute-snapshot',
    data: { 'data-collections': [String.raw`public\.it.*`] },
  })
  const progress = async () => (await readSignal(fixture.pool, fixture.slotName, id))?.progress
  await fixture.until(async () => (await progress())?.['waitsForTransactions'] === 1)
  await fixture.until(() => records('item').length === 1)
  await older.query('commit')
  await older.end()
  expect(await finished(id)).toMatchObject({ state: 'done', progress: { rows: 2 } })
  await fixture.until(() => records('item').length === 4)
  expect(records('item').at(-1)?.envelope?.source['snapshot']).toBe('incremental')
})

test('columns and rows that the publication leaves out are left out here, too', async () => {
  fixture = new RelayFixture(await testDatabase(), SETTINGS)
  await fixture.pool.query(`${ITEMS}; insert into item values (1, 'a', true), (2, 'b', false);
    create publication fairlead_capture for table item (id, name) where (id > 1)`)
  await fixture.started()
  expect(await lastFinished()).toMatchObject({ state: 'done', progress: { rows: 1 } })
  expect(records('item').map(({ envelope }) => envelope?.after)).toEqual([
    { id: 2, name: 'b       ' },
  ])
})

test('a table without a key is named, and the others are read; times are for outboxes', async () => {
  fixture = new RelayFixture(await testDatabase(), SETTINGS)
  await fixture.pool.query(`create table note (text text); insert into note values ('x');
    create table part (id int primary key); insert into part values (1)`)
  await fixture.started()
  const initial = await lastFinished()
  expect(initial).toMatchObject({ state: 'failed', progress: { rows: 1 } })
  expect(initial?.reason).toContain('public.note could not be read')
  const order = async (data: Readonly<Record<string, unknown>>) => {
    const signal = { type: 'execute-snapshot', data } as const
    return (await finished(await requestSignal(fixture.pool, fixture.slotName, signal)))?.reason
  }
  const since = '2026-01-01T00:00:00Z'
  expect(await order({ 'data-collections': ['public.part'], since })).toContain('no outbox table')
  expect(await order({ 'data-collections': ['public.other'] })).toContain('neither in')
})
