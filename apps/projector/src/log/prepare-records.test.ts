import { types } from 'node:util'
import { type AnyEvents, defineEvents } from '@fairlead/avro'
import { OperationalError } from '@fairlead/base'
import {
  type LogRecord,
  type PreparedRecord,
  type Projection,
  defineProjection,
  tables,
} from '@fairlead/projection'
import { type Reading, RegistryError, createAvroSerde } from '@fairlead/serde'
import { describe, expect, test } from 'vitest'
import { RecordReader } from './prepare-records.ts'
import { reportingSerde } from './reporting-serde.ts'

const CLOCK = { nowMs: () => 2_000, aheadMaxMs: 1_000 }
const TOPIC = 'outbox.event.payment'
const field = (name: string, type: unknown) => ({ name, type })
const paid = (...fields: readonly object[]) =>
  JSON.stringify({ type: 'record', name: 'Paid', namespace: 'shop', fields })

/** By id, from 1: what the registry has under the subject of `Paid`. */
const VERSIONS = [
  paid(field('id', 'string'), field('euros', 'int')),
  paid(field('id', 'string'), field('cents', 'long')),
  paid(field('id', 'string'), field('cents', 'long'), {
    ...field('note', 'string'),
    default: 'none',
  }),
]

class Versions {
  isAway = false
  refusal: RegistryError | undefined
  readonly subjects: string[] = []

  async schemaById(schemaId: number) {
    const schema = VERSIONS[schemaId - 1]
    if (this.isAway) throw new RegistryError('the registry is away', { retryable: true })
    if (this.refusal !== undefined) throw this.refusal
    if (schema === undefined) throw new RegistryError('no such schema', { retryable: false })
    return { schemaId, schema, schemaType: 'AVRO', references: [] }
  }

  async lookup(subject: string, { schema }: { readonly schema: string }) {
    this.subjects.push(subject)
    const version = 1 + VERSIONS.indexOf(schema)
    return { ...(await this.schemaById(version)), subject, version }
  }

  /** The last byte of a GUID is the id here. */
  schemaByGuid = (guid: string) => this.schemaById(Number.parseInt(guid.slice(-2), 16))
  register = () => Promise.resolve(0)
  reportReader = () => Promise.reject(new Error('nothing is reported here'))
  associatedSubjects = () => Promise.reject(new Error('nothing is registered here'))
  version = () => Promise.reject(new Error('schemas here have no references'))
  testCompatibility = () => Promise.reject(new Error('nothing is registered here'))
}

const Events = defineEvents({
  topic: TOPIC,
  key: 'id',
  events: {
    Paid: {
      type: 'record',
      name: 'Paid',
      namespace: 'shop',
      fields: [
        { name: 'id', type: 'string' },
        { name: 'cents', type: 'long' },
        { name: 'note', type: 'string', default: 'none' },
      ],
    },
  },
  upcast: {
    Paid: {
      1: (old: { id: string; euros: number }) => {
        if (old.euros < 0) throw new RangeError('nobody is paid a debt')
        return { id: old.id, cents: BigInt(old.euros) * 100n, note: 'upcast' }
      },
    },
  },
})

const projectionOf = (from: AnyEvents): Projection =>
  defineProjection({
    name: 'payments',
    version: 1,
    from,
    into: tables<{ payment: { id: string } }>()('payment', 'id', { id: 'text' }),
  }).fold({ initial: (id) => ({ id }), on: { Paid: (row) => row } })

const utf8 = new TextEncoder()

type Headers = readonly (readonly [string, Uint8Array])[]

function recordOf(value: Uint8Array, eventType = 'Paid', headers: Headers = []) {
  return {
    topic: TOPIC,
    partition: 0,
    offset: 5,
    timestampMs: 1_000,
    key: utf8.encode('p'),
    value,
    headers: [['eventType', utf8.encode(eventType)], ...headers] as const,
  }
}

/** Avro of `{ id: 'p', … }` behind the id of its schema. */
const written = (schemaId: number, ...rest: readonly number[]) =>
  Uint8Array.of(0, 0, 0, 0, schemaId, 2, 0x70, ...rest)

async function read(
  value: Uint8Array,
  options: {
    registry?: Versions
    events?: AnyEvents
    eventType?: string
    headers?: Headers
  } = {},
): Promise<PreparedRecord['content'] | undefined> {
  const { registry = new Versions(), events = Events, eventType, headers } = options
  const reader = new RecordReader(projectionOf(events), createAvroSerde({ registry }), CLOCK)
  const [prepared] = await reader.prepare([recordOf(value, eventType, headers)])
  return prepared?.content
}

test('the value of an older version is resolved to the schema of the definition', async () => {
  expect(await read(written(2, 10))).toMatchObject({
    kind: 'event',
    event: { type: 'Paid', key: 'p', data: { id: 'p', cents: 5n, note: 'none' } },
  })
})

test('the version that an upcast is for is read as it was written, and cast up', async () => {
  const registry = new Versions()
  expect(await read(written(1, 10), { registry })).toMatchObject({
    event: { data: { id: 'p', cents: 500n, note: 'upcast' } },
  })
  expect(registry.subjects).toEqual(['outbox.event.payment-shop.Paid'])
})

test("what the definition's own schema wrote is not cast up, whatever its version is called", async () => {
  const upcasts = { Paid: { 3: () => expect.unreachable('the value has the shape of now') } }
  expect(await read(written(3, 10, 2, 0x78), { events: { ...Events, upcasts } })).toMatchObject({
    event: { data: { id: 'p', cents: 5n, note: 'x' } },
  })
})

test('a header may name the version instead, before a bare value', async () => {
  const guid = [...Array.from({ length: 15 }, () => 0), 1]
  const headers = [['__value_schema_id', Uint8Array.of(1, ...guid)]] as const
  expect(await read(written(1, 10).subarray(5), { headers })).toMatchObject({
    event: { data: { id: 'p', cents: 500n, note: 'upcast' } },
  })
})

test('without an upcast, what cannot be resolved is set aside', async () => {
  expect(await read(written(1, 10), { events: { ...Events, upcasts: {} } })).toMatchObject({
    kind: 'undecodable',
  })
})

test('an upcast that throws sets its event aside', async () => {
  expect(await read(written(1, 9))).toMatchObject({
    kind: 'undecodable',
    error: { message: 'nobody is paid a debt' },
  })
})

test('a type that is not defined is unknown', async () => {
  expect(await read(written(2, 10), { eventType: 'Refunded' })).toEqual({
    kind: 'unknown',
    eventType: 'Refunded',
  })
})

test('a registry that is away fails the read; one that lacks the schema, the record', async () => {
  const registry = new Versions()
  expect(await read(written(9, 10), { registry })).toMatchObject({ kind: 'undecodable' })
  registry.isAway = true
  await expect(read(written(2, 10), { registry })).rejects.toThrow(OperationalError)
})

test.for([
  ['asks who is there', 401, 40101],
  ['refuses whoever is there', 403, 40301],
  ['is none, and knows no such path', 404, undefined],
  ['is a server of TLS', 400, undefined],
] as const)('a registry that %s fails the read', async ([, status, errorCode]) => {
  const registry = new Versions()
  registry.refusal = new RegistryError('refused', { retryable: false, status, errorCode })
  const reading = read(written(2, 10), { registry })
  await expect(reading).rejects.toMatchObject({ name: 'OperationalError', retryable: true })
})

test.for([
  [404, 40403],
  [422, 42201],
] as const)(
  'a registry that says %d of the schema fails the record',
  async ([status, errorCode]) => {
    const registry = new Versions()
    registry.refusal = new RegistryError('refused', { retryable: false, status, errorCode })
    expect(await read(written(2, 10), { registry })).toMatchObject({ kind: 'undecodable' })
  },
)

test('an event that is decoded later is the same, and is decoded again whenever it is asked for', async () => {
  const serde = createAvroSerde({ registry: new Versions() })
  const reader = new RecordReader(projectionOf(Events), serde, CLOCK)
  const records = [recordOf(written(1, 10)), recordOf(written(1, 9)), recordOf(written(9, 1))]
  const [event, refused, unknownSchema] = await reader.prepareLazily(records)
  const [decoded] = await reader.prepare(records)
  expect(event).toMatchObject({ key: 'p', eventKey: 'p', eventType: 'Paid', plan: 'event' })
  expect(event?.content).toEqual(decoded?.content)
  expect(event?.content).not.toBe(event?.content)
  expect(refused).toMatchObject({ plan: 'event', content: { kind: 'undecodable' } })
  expect(unknownSchema).toMatchObject({ content: { kind: 'undecodable' } })
})

test('a projection that looks at its events twice gets them decoded', async () => {
  const serde = createAvroSerde({ registry: new Versions() })
  const common = { name: 'payments', version: 1, from: Events }
  const into = tables<{ payment: { id: string } }>()('payment', 'id', { id: 'text' })
  const form = {
    initial: (id: string) => ({ id }),
    on: { Paid: (row: { readonly id: string }) => row },
  }
  const enriched = defineProjection({ ...common, into, enrich: () => new Map() }).fold(form)
  const keyed = defineProjection({ ...common, into, key: ({ key }) => key, order: 'none' }).fold(
    form,
  )
  for (const projection of [enriched, keyed]) {
    const reader = new RecordReader(projection, serde, CLOCK)
    const [prepared] = await reader.prepareLazily([recordOf(written(1, 10))])
    expect(prepared?.content).toMatchObject({ kind: 'event' })
    expect(prepared?.content).toBe(prepared?.content)
  }
})

test('headers that hold on to their record are for pure handlers, and for who wants them', async () => {
  const serde = createAvroSerde({ registry: new Versions() })
  const common = { name: 'payments', version: 1, from: Events }
  const schema = tables<{ payment: { id: string } }>()
  const into = schema('payment', 'id', { id: 'text' })
  const form = {
    initial: (id: string) => ({ id }),
    on: { Paid: (row: { readonly id: string }) => row },
  }
  const fold = defineProjection({ ...common, into }).fold(form)
  const enriched = defineProjection({ ...common, into, enrich: () => new Map() }).fold(form)
  const sql = defineProjection({ ...common, schema }).sql({
    migrate: () => Promise.resolve(),
    on: { Paid: () => Promise.resolve() },
  })
  const isPlain = async (projection: Projection, headersWhenRead: boolean): Promise<boolean> => {
    const reader = new RecordReader(projection, serde, { ...CLOCK, headersWhenRead })
    const [prepared] = await reader.prepareLazily([recordOf(written(2, 10))])
    const content = prepared?.content
    if (content?.kind !== 'event') throw new TypeError('it is an event')
    const { headers } = content.event
    expect(headers).toEqual({ eventType: 'Paid' })
    return !types.isProxy(headers)
  }
  expect(await isPlain(fold, true)).toBe(false)
  expect(await isPlain(fold, false)).toBe(true)
  expect(await isPlain(enriched, true)).toBe(true)
  expect(await isPlain(sql, true)).toBe(true)
})

test('the schema that a group reads with is told, not the version that is read as it was written', async () => {
  const told: Reading[] = []
  const serde = createAvroSerde({ registry: new Versions() })
  const reporting = reportingSerde(serde, { reads: (reading) => told.push(reading) }, 'billing')
  const reader = new RecordReader(projectionOf(Events), reporting, CLOCK)
  await reader.prepare([recordOf(written(1, 10)), recordOf(written(2, 10))])
  expect(told).toMatchObject([
    { group: 'billing', written: 2, schema: { schema: expect.stringContaining('Paid') } },
  ])
})

test('events of other tenants are passed over without being looked into, and keep their place', async () => {
  const reader = new RecordReader(
    projectionOf(Events),
    createAvroSerde({ registry: new Versions() }),
    { ...CLOCK, tenantHeader: 'tenant', includedTenants: ['acme'] },
  )
  const of = (tenant: string, eventType: string): LogRecord =>
    recordOf(written(2, 10), eventType, [['tenant', new TextEncoder().encode(tenant)]])
  const prepared = await reader.prepare([
    of('acme', 'Paid'),
    of('globex', 'Paid'),
    of('globex', 'NotYetKnown'),
    recordOf(written(2, 10), 'Paid'),
    of('acme', 'NotYetKnown'),
  ])
  expect(prepared.map(({ content }) => content.kind)).toEqual([
    'event',
    'ignored',
    'ignored',
    'ignored',
    'unknown',
  ])
  expect(prepared[0]?.content).toMatchObject({ event: { tenant: 'acme' } })
  const [other] = await reader.ofTenant('globex').prepare([of('globex', 'Paid')])
  expect(other?.content).toMatchObject({ kind: 'event', event: { tenant: 'globex' } })
})

describe('of a topic of several tenants', () => {
  const unitsOf = async (tenantHeader: string | undefined, records: readonly LogRecord[]) => {
    const serde = createAvroSerde({ registry: new Versions() })
    const reader = new RecordReader(projectionOf(Events), serde, { ...CLOCK, tenantHeader })
    return (await reader.prepare(records)).map(({ key, tenant }) => ({ key, tenant }))
  }
  const utf8 = new TextEncoder()
  const of = (tenant: string | null, key: string): LogRecord => ({
    ...recordOf(written(2, 10), 'Paid', tenant === null ? [] : [['tenant', utf8.encode(tenant)]]),
    key: utf8.encode(key),
  })

  test('names that differ in what Postgres has not are names of two tenants', async () => {
    const units = await unitsOf('tenant', [of('acme', 'k'), of('ac\0me', 'k'), of('\0', 'k')])
    expect(units).toEqual([
      { tenant: 'acme', key: 'acme/k' },
      {
        tenant: expect.stringMatching(/^acme~[0-9a-f]{64}$/),
        key: expect.stringMatching(/^acme~[0-9a-f]{64}\/k$/),
      },
      { tenant: expect.stringMatching(/^~[0-9a-f]{64}$/), key: expect.any(String) },
    ])
  })

  test('names in another encoding than UTF-8 are names of two tenants, and of no third one', async () => {
    const inLatin1 = (name: string): LogRecord => {
      const header = ['tenant', Buffer.from(name, 'latin1')] as const
      return { ...of(null, 'k'), headers: [...of(null, 'k').headers, header] }
    }
    const records = [inLatin1('Möller'), inLatin1('Müller'), of('M\ufffdller', 'k')]
    const units = await unitsOf('tenant', [...records, ...records])
    expect(new Set(units.map(({ tenant }) => tenant)).size).toBe(3)
    expect(new Set(units.map(({ key }) => key)).size).toBe(3)
    expect(units[0]).toEqual({
      tenant: expect.stringMatching(/^M\ufffdller~[0-9a-f]{64}$/),
      key: expect.stringMatching(/\/k$/),
    })
  })

  test('an event of no tenant has the unit of none', async () => {
    const [nobodys, acmes] = await unitsOf('tenant', [of(null, 'acme/k'), of('acme', 'k')])
    expect(nobodys?.key).not.toBe(acmes?.key)
    expect(await unitsOf(undefined, [of(null, 'acme/k')])).toMatchObject([{ key: 'acme/k' }])
  })
})

test('an upcast that throws about a person does not name him', async () => {
  const [definition] = Object.values(Events.definitions)
  const personal = { name: 'id', type: 'string', pii: { subject: 'id' } } as const
  const fields = [personal, ...(definition?.fields.slice(1) ?? [])]
  const upcast = ({ id }: { readonly id: string }): never => {
    throw new RangeError(`${id} is paid nothing`)
  }
  const events: AnyEvents = {
    ...Events,
    definitions: { Paid: { ...Events.definitions.Paid, fields } },
    upcasts: { Paid: { 1: upcast } },
  }
  const ana = Uint8Array.of(0, 0, 0, 0, 1, 6, 0x61, 0x6e, 0x61, 10)
  expect(await read(ana, { events })).toMatchObject({
    kind: 'undecodable',
    error: { name: 'RangeError', message: '[redacted] is paid nothing' },
  })
})

test('an error of a value names the place in the value, wherever that was fetched', async () => {
  const value = written(2).subarray(0, 6)
  const fetched = Uint8Array.of(...Array.from({ length: 100 }, () => 0), ...value)
  const reader = new RecordReader(
    projectionOf(Events),
    createAvroSerde({ registry: new Versions() }),
    CLOCK,
  )
  const record: LogRecord = {
    ...recordOf(value),
    readValue: (readBytes) => readBytes(fetched, 100, fetched.length),
  }
  const [prepared] = await reader.prepare([record])
  expect(prepared?.content).toMatchObject({ kind: 'undecodable', error: { position: 6 } })
})
