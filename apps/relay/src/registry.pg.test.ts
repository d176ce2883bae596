import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { testDatabase } from '@fairlead/testing'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { readSignal, requestSignal } from './signals/request-signal.ts'
import { RelayFixture } from './testing/relay-fixture.ts'

/** A registry in Confluent's REST shape with one subject, and what was registered. */
class FakeRegistry {
  isDown = false
  isRefusing = false
  readonly registered: { readonly subject: string; readonly schema: string }[] = []
  schemaType = 'JSON'
  schema = '{"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}'
  readonly #server = createServer((request, response) => {
    let text = ''
    request.on('data', (chunk: Buffer) => (text += chunk.toString()))
    request.on('end', () => {
      const [, subject = ''] = /^\/subjects\/([^/]+)\/versions/.exec(request.url ?? '') ?? []
      response.statusCode = this.isDown ? 503 : this.isRefusing ? 409 : 200
      response.end(JSON.stringify(this.#answer(request.method ?? '', subject, text)))
    })
  })

  async start(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', () => resolve()))
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  stop(): void {
    this.#server.closeAllConnections()
    this.#server.close()
  }

  #answer(method: string, subject: string, text: string): object {
    if (this.isDown) return { error_code: 50001, message: 'down' }
    if (this.isRefusing) return { error_code: 409, message: 'incompatible' }
    if (method === 'GET') {
      return { subject, version: 2, id: 7, schema: this.schema, schemaType: this.schemaType }
    }
    this.registered.push({ subject, schema: (JSON.parse(text) as { schema: string }).schema })
    return { id: 100 + this.registered.length }
  }
}

let fixture: RelayFixture
let registry: FakeRegistry
let url: string

beforeEach(async () => {
  registry = new FakeRegistry()
  url = await registry.start()
})

afterEach(async () => {
  await fixture.close()
  registry.stop()
})

const TOPIC = 'outbox.event.order'

const emit = (key: string, payload: string) =>
  fixture.pool.query('select outbox.emit($1, $2, $3, $4::jsonb)', ['order', key, 'T', payload])

const values = (topic = TOPIC) =>
  fixture.brokers.records(topic).map(({ value }) => Buffer.from(value ?? []).toString('latin1'))

test('a payload that breaks its schema is parked with subject, version and place; its key waits', async () => {
  fixture = new RelayFixture(await testDatabase(), {
    'schema.registry.url': url,
    'value.format': 'json-schema',
  })
  await fixture.started()
  await emit('a', '{"n": 1}')
  await emit('b', '{"n": 1.5}')
  await emit('b', '{"n": 2}')
  await emit('a', '{"n": 3}')
  await fixture.until(() => fixture.brokers.records(TOPIC).length === 2)
  expect(values()).toEqual(['\0\0\0\0\x07{"n": 1}', '\0\0\0\0\x07{"n": 3}'])
  const { rows } = await fixture.pool.query(
    'select kind, reason_code, reason from relay.parked_event order by commit_lsn',
  )
  expect(rows).toMatchObject([
    {
      kind: 'failed',
      reason_code: 'SCHEMA_MISMATCH',
      reason: `subject ${TOPIC}-value, version 2: /n: it must be integer`,
    },
    { kind: 'blocked' },
  ])
})

test('a registry that is down holds events back and parks none', async () => {
  fixture = new RelayFixture(await testDatabase(), {
    'schema.registry.url': url,
    'value.format': 'registry',
  })
  registry.isDown = true
  await fixture.started()
  await emit('a', '{"n": 1}')
  const relay = fixture.relays[0]
  await fixture.until(() => relay?.status.reason.includes('schema registry') === true)
  const { rowCount } = await fixture.pool.query('select from relay.parked_event')
  expect([rowCount, fixture.brokers.records(TOPIC).length]).toEqual([0, 0])
  registry.isDown = false
  await fixture.until(() => fixture.brokers.records(TOPIC).length === 1)
})

/** A relay that captures the rows of a table, and writes them in Avro. */
async function startCapture(settings: Readonly<Record<string, string>>): Promise<void> {
  fixture = new RelayFixture(await testDatabase(), {
    'schema.registry.url': url,
    'table.include.list': '',
    'capture.table.include.list': String.raw`public\.item`,
    'snapshot.mode': 'no_data',
    'key.converter': 'avro',
    'topic.prefix': 'shop',
    ...settings,
  })
  await fixture.pool.query('create table item (id int primary key, name text)')
  await fixture.started()
}

test("the schemas of Connect's Avro converter are registered by topic", async () => {
  await startCapture({ 'value.converter': 'io.confluent.connect.avro.AvroConverter' })
  await fixture.pool.query(`insert into item values (1, 'a')`)
  await fixture.until(() => fixture.brokers.records('shop.public.item').length === 1)
  const [key, value] = registry.registered
  expect(key).toEqual({
    subject: 'shop.public.item-key',
    schema: JSON.stringify({
      type: 'record',
      name: 'Key',
      namespace: 'shop.public.item',
      fields: [{ name: 'id', type: 'int' }],
      'connect.name': 'shop.public.item.Key',
    }),
  })
  expect(value?.subject).toBe('shop.public.item-value')
  const [record] = fixture.brokers.records('shop.public.item')
  expect([...(record?.key ?? [])]).toEqual([0, 0, 0, 0, 101, 2])
  // Not before, but after: id 1, name "a".
  expect([...(record?.value?.subarray(0, 11) ?? [])]).toEqual([0, 0, 0, 0, 102, 0, 2, 2, 2, 2, 97])
})

test('what a registry refuses of captured rows, and of transactions, is published when it takes it', async () => {
  await startCapture({ 'value.converter': 'avro', 'provide.transaction.metadata': 'true' })
  registry.isRefusing = true
  await fixture.pool.query(`insert into item values (1, 'a')`)
  await fixture.until(async () => {
    const { rows } = await fixture.pool.query('select reason_code from relay.parked_event')
    return rows.length === 3 && rows.every((row) => row.reason_code === 'SCHEMA_REFUSED')
  })
  registry.isRefusing = false
  const order = { type: 'replay-parked', data: { all: true } } as const
  const id = await requestSignal(fixture.pool, fixture.slotName, order)
  const state = async () => (await readSignal(fixture.pool, fixture.slotName, id))?.state
  await fixture.until(async () => ['done', 'failed'].includes((await state()) ?? ''))
  expect(await state()).toBe('done')
  expect(fixture.brokers.records('shop.public.item')).toHaveLength(1)
  expect(fixture.brokers.records('shop.transaction')).toHaveLength(2)
  const [record] = fixture.brokers.records('shop.public.item')
  expect([...(record?.value?.subarray(0, 4) ?? [])]).toEqual([0, 0, 0, 0])
})
