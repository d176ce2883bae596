import { testDatabase } from '@fairlead/testing'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { requestSignal } from '../signals/request-signal.ts'
import { RelayFixture } from '../testing/relay-fixture.ts'
import type { BrokersAsked } from './broker-steps.ts'
import { makePlan } from './make-plan.ts'

let fixture: RelayFixture

beforeEach(async () => {
  fixture = new RelayFixture(await testDatabase())
})

afterEach(() => fixture.close())

async function planned(settings: Readonly<Record<string, string>> = {}) {
  return makePlan(fixture.options(settings), fixture.brokers.open())
}

/** `action kind name`, without what is kept. */
async function changes(settings?: Readonly<Record<string, string>>) {
  return (await planned(settings))
    .filter(({ action }) => action !== 'keep' && action !== 'later')
    .map(({ action, kind, name }) => `${action} ${kind} ${name}`.trim())
}

async function textOf(kind: string, settings?: Readonly<Record<string, string>>): Promise<string> {
  const steps = await planned(settings)
  return steps
    .filter((step) => step.kind === kind)
    .map(({ action, text }) => `${action}: ${text}`)
    .join('\n')
}

/** Everything that a start could make. */
async function inventory(): Promise<unknown> {
  const { rows } = await fixture.pool.query(
    `select (select count(*) from pg_class) as relations, (select count(*) from pg_publication) as publications,
       (select count(*) from pg_replication_slots where database = current_database()) as slots,
       (select count(*) from pg_namespace) as schemas`,
  )
  return [rows, await fixture.brokers.open().admin.listTopics()]
}

test('before the first start all of it is to be made, and the plan makes none of it', async () => {
  await fixture.pool.query('create table customer (id int primary key, name text)')
  await fixture.pool.query(
    `insert into customer select n, 'c' from generate_series(1, 2500) as n; analyze customer`,
  )
  const before = await inventory()
  const settings = {
    'capture.table.include.list': String.raw`public\.customer`,
    'topic.prefix': 'shop',
    'provide.transaction.metadata': 'true',
    delivery: 'transactional',
  }
  const found = await changes(settings)
  expect(found.filter((line) => !line.startsWith('create migration'))).toEqual([
    'create publication fairlead_outbox',
    'create publication fairlead_capture',
    `create slot ${fixture.slotName}`,
    'publish snapshot public.customer',
    `create topic relay.${fixture.slotName}.positions`,
  ])
  expect(found.filter((line) => line.startsWith('create migration')).length).toBeGreaterThan(10)
  expect(await textOf('snapshot', settings)).toBe(
    'publish: about 2500 rows, in 3 chunks of up to 1024',
  )
  const topics = await textOf('topic', settings)
  expect(topics).toContain('later: with its first event: 4 partitions')
  expect(topics).toContain('later: with its first event: 1 partition,')
  expect(await inventory()).toEqual(before)
})

test('while a relay runs a start stands by, and after it nothing is to be done', async () => {
  const relay = await fixture.started()
  await fixture.insert([{}])
  await fixture.confirmed()
  expect(await changes()).toEqual([`wait slot ${fixture.slotName}`])
  expect(await textOf('slot')).toMatch(/confirmed up to .* reads it: a start stands by/)
  await relay.stop()
  await fixture.until(async () => (await changes()).length === 0)
  expect(await textOf('topic', { 'route.topic.include.list': 'outbox.event.order' })).toBe(
    'keep: 4 partitions',
  )
})

test('partitions to come, orders that wait and snapshots of each start are told', async () => {
  const relay = await fixture.started()
  await fixture.confirmed()
  await relay.stop()
  await fixture.pool.query(`create table customer (id int primary key);
    create publication fairlead_capture for table customer with (publish_via_partition_root = true);
    select relay.partition_outbox('outbox.events')`)
  const { rows } = await fixture.pool.query<{ name: string }>(
    `select inhrelid::regclass::text as name from pg_inherits
     where inhparent = 'outbox.events'::regclass
     order by pg_get_expr((select relpartbound from pg_class where oid = inhrelid), inhrelid) desc limit 1`,
  )
  await fixture.pool.query(`drop table ${rows[0]?.name}`)
  await requestSignal(fixture.pool, fixture.slotName, {
    type: 'replay-parked',
    data: { all: true },
  })
  const found = await changes({
    'capture.table.include.list': String.raw`public\.customer`,
    'snapshot.mode': 'always',
  })
  expect(new Set(found)).toEqual(
    new Set([
      'publish snapshot public.customer',
      'change order 1',
      'create partition outbox.events',
    ]),
  )
  expect(
    await textOf('snapshot', {
      'capture.table.include.list': String.raw`public\.customer`,
      'snapshot.mode': 'always',
    }),
  ).toMatch(/bytes of rows, which nobody has counted \(analyze\), in chunks of 1024/)
})

test('what a start would halt at is told, with what to do', async () => {
  const relay = await fixture.started()
  await relay.stop()
  await fixture.pool.query('alter publication fairlead_outbox drop table outbox.events')
  await fixture.pool.query('update relay.slot set position_topic = $1', ['elsewhere'])
  expect(await changes({ delivery: 'transactional', 'table.field.event.key': 'nope' })).toEqual([
    'halt publication fairlead_outbox',
    'halt table outbox.events',
    `halt topic relay.${fixture.slotName}.positions`,
  ])
  await fixture.until(async () => {
    const { rows } = await fixture.pool.query(
      'select from pg_replication_slots where slot_name = $1 and not active',
      [fixture.slotName],
    )
    return rows.length === 1
  })
  await fixture.pool.query('select pg_drop_replication_slot($1)', [fixture.slotName])
  expect(await textOf('slot')).toContain('halt: slot')
  expect(await textOf('slot')).toContain('fairlead relay replay-table')
  expect(await textOf('slot', { 'snapshot.mode': 'when_needed' })).toContain('change: ')
})

test('a position that is lost is told of after a start has made its topic anew, until it is reset', async () => {
  const topic = `relay.${fixture.slotName}.positions`
  await fixture.started().then((relay) => relay.stop())
  await fixture.pool.query('update relay.slot set position_topic = $1', [topic])
  await fixture.brokers.open().admin.ensureTopic({ topic, partitions: 1 })
  const settings = { delivery: 'transactional' }
  expect(await textOf('topic', settings)).toContain('halt: the position is lost')
  await requestSignal(fixture.pool, fixture.slotName, { type: 'reset-position', data: {} })
  expect(await textOf('topic', settings)).toContain('change: the topics of events tell')
})

test('the position is read as a start reads it: what is in its topic may be of other slots, or none', async () => {
  const topic = `relay.${fixture.slotName}.positions`
  await fixture.started().then((relay) => relay.stop())
  await fixture.pool.query('update relay.slot set position_topic = $1', [topic])
  const { admin, producer } = fixture.brokers.open()
  await admin.ensureTopic({ topic, partitions: 1 })
  const { rows } = await fixture.pool.query<{ id: string }>(
    'select system_identifier as id from relay.slot',
  )
  const record = { topic, partition: 0, headers: [], timestampMs: 0 }
  const write = (key: string, value: string) =>
    producer.send([{ ...record, key: Buffer.from(key), value: Buffer.from(value) }])
  await write('1/other', '{"lsn":"0/1","seq":0}')
  const settings = { delivery: 'transactional' }
  expect(await textOf('topic', settings)).toContain('halt: the position is lost')
  await write(`${rows[0]?.id}/${fixture.slotName}`, '{"lsn":"0/2A","seq":3}')
  expect(await textOf('topic', settings)).toContain('events are published up to 0/2A')
})

test('what a relay of an earlier version has noted is read', async () => {
  await fixture.started().then((relay) => relay.stop())
  await fixture.until(async () => (await changes()).length === 0)
  await fixture.pool.query('select pg_drop_replication_slot($1)', [fixture.slotName])
  await fixture.pool.query('drop table relay.outbox_cleaning')
  expect(await textOf('slot')).toContain('halt: slot')
})

test('subjects of transactions are told', async () => {
  const converter = 'io.confluent.connect.avro.AvroConverter'
  const settings = {
    'key.converter': converter,
    'value.converter': converter,
    'schema.registry.url': 'http://127.0.0.1:1',
    'topic.prefix': 'shop',
    'provide.transaction.metadata': 'true',
  }
  const subjects = (await planned(settings))
    .filter(({ kind, action }) => kind === 'subject' && action === 'unknown')
    .map(({ name }) => name)
  expect(subjects).toEqual(['shop.transaction-key', 'shop.transaction-value'])
})

test('tables that are read once need neither slot nor publication', async () => {
  const settings = { 'snapshot.mode': 'initial_only' }
  const found = (await changes(settings)).filter((line) => !line.includes('migration'))
  expect(found).toEqual([])
  await fixture.started().then((relay) => relay.stop())
  expect(await textOf('snapshot', settings)).toBe(
    'keep: the tables were read before: nothing is published',
  )
})

test('brokers that do not answer are told of', async () => {
  const away = () => Promise.reject(new Error('nobody is there'))
  const admin = { ping: away, listTopics: away, partitionCount: away, listOffsets: away }
  const { reader } = fixture.brokers.open()
  const unknown = {
    action: 'unknown',
    kind: 'topic',
    name: '',
    text: 'the brokers do not answer: nobody is there',
  }
  const topicStepsOf = async (asked: BrokersAsked['admin']) => {
    const options = fixture.options({ 'route.topic.include.list': 'events' })
    return (await makePlan(options, { admin: asked, reader })).filter(
      ({ kind }) => kind === 'topic',
    )
  }
  expect(await topicStepsOf(admin)).toEqual([unknown])
  const half = { ping: () => Promise.resolve(), listTopics: () => Promise.resolve(['events']) }
  expect(await topicStepsOf({ ...admin, ...half })).toEqual([unknown])
})
