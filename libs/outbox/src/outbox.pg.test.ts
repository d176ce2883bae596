import { join } from 'node:path'
import { defineEvents } from '@fairlead/avro'
import { formatLsn, lsn, parseLsn } from '@fairlead/base'
import { createPool, migrate } from '@fairlead/postgres'
import { type RegisteredSchema, type RegistryClient, createAvroSerde } from '@fairlead/serde'
import { type TestDatabase, createKysely, testDatabase } from '@fairlead/testing'
import { type Kysely, type Transaction, sql } from 'kysely'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import {
  type CommitToken,
  type Outbox,
  OutboxError,
  type OutboxOptions,
  TransactionNotCommittedError,
  createOutbox,
  eventCountOf,
  parseCommitToken,
} from './index.ts'
import { UNKNOWN_LSN } from './commit-token.ts'
import { NO_APPEND, writtenWith } from './written-events.ts'

const OrderEvents = defineEvents({
  topic: 'outbox.event.order',
  key: 'orderId',
  events: {
    OrderPlaced: {
      type: 'record',
      name: 'OrderPlaced',
      namespace: 'shop',
      fields: [
        { name: 'orderId', type: 'string' },
        { name: 'quantity', type: 'int' },
      ],
    },
  },
})
const Unrouted = defineEvents({
  topic: 'elsewhere',
  key: 'id',
  events: {
    Happened: { type: 'record', name: 'Happened', fields: [{ name: 'id', type: 'string' }] },
  },
})

let database: TestDatabase
let db: Kysely<unknown>
let registry: MemoryRegistry
let outbox: Outbox

beforeEach(async () => {
  database = await testDatabase()
  await migrate({
    url: database.url,
    directory: join(import.meta.dirname, '../../../sql/migrations'),
  })
  db = createKysely<unknown>(createPool({ url: database.url, max: 2, applicationName: 'test' }))
  registry = new MemoryRegistry()
  outbox = await outboxOf()
})

const outboxOf = (options: Pick<OutboxOptions, 'transport'> = {}) =>
  createOutbox({
    ...options,
    serde: createAvroSerde({ registry }),
    events: [OrderEvents],
    headers: () => ({ traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01' }),
  })

/** How many of OrderEvents a token says that there are. */
const eventsIn = (token: CommitToken): number => {
  const events = parseCommitToken(token)[0]?.written.get(OrderEvents.topic)
  return events === undefined || events === null ? Number.NaN : eventCountOf(events)
}

afterEach(async () => {
  await db.destroy()
  await database.drop()
})

const rows = async () =>
  (await sql<Record<string, unknown>>`select * from outbox.events`.execute(db)).rows

test('an event becomes a row with Debezium’s columns and a payload in the wire format', async () => {
  await db
    .transaction()
    .execute((transaction) =>
      outbox.append(transaction, OrderEvents.OrderPlaced({ orderId: 'o1', quantity: 3 })),
    )
  const [row] = await rows()
  expect(row).toMatchObject({
    aggregatetype: 'order',
    aggregateid: 'o1',
    type: 'OrderPlaced',
    headers: { traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01' },
  })
  // Magic 0, schema id 1, then Avro: the length of "o1", its text, and 3 as zigzag.
  expect(row?.['payload']).toEqual(Buffer.from([0, 0, 0, 0, 1, 4, 0x6f, 0x31, 6]))
})

test('the events of one append keep their order in the log', async () => {
  const ids = Array.from({ length: 500 }, (_, index) => `o${index}`)
  await db
    .transaction()
    .execute((transaction) =>
      outbox.append(
        transaction,
        ...ids.map((orderId) => OrderEvents.OrderPlaced({ orderId, quantity: 1 })),
      ),
    )
  const inLogOrder = await sql<{ aggregateid: string }>`
    select aggregateid from outbox.events order by ctid`.execute(db)
  expect(inLogOrder.rows.map(({ aggregateid }) => aggregateid)).toEqual(ids)
})

test('a transaction that rolls back leaves no event', async () => {
  await expect(
    db.transaction().execute(async (transaction) => {
      await outbox.append(transaction, OrderEvents.OrderPlaced({ orderId: 'o1', quantity: 3 }))
      throw new Error('the business says no')
    }),
  ).rejects.toThrow('the business says no')
  expect(await rows()).toEqual([])
})

describe('the token of a transaction', () => {
  const placed = (orderId: string) => OrderEvents.OrderPlaced({ orderId, quantity: 1 })

  test('is above its commit, and names its id and the keys of its events', async () => {
    const { result, token } = await outbox.transaction(db, async (transaction) => {
      await outbox.append(transaction, placed('21'), placed('21'))
      await outbox.append(transaction.withSchema('elsewhere'), placed('abc'))
      const written = await sql<{ upTo: string }>`
        select pg_current_wal_insert_lsn()::text as "upTo"`.execute(transaction)
      return written.rows[0]?.upTo
    })
    const [row] = await rows()
    const [position] = parseCommitToken(token)
    // Hashes of Kafka's own test of murmur2, without their sign.
    const counts = new Map([
      [-973932308 & 0x7fff_ffff, 2],
      [479470107, 1],
    ])
    expect(position?.written).toEqual(
      new Map([['outbox.event.order', { modulus: 2 ** 31, counts }]]),
    )
    expect(row?.['headers']).toMatchObject({ txId: position?.transactionId })
    // Others write to the log of the server, too.
    const at = formatLsn(position?.lsn ?? lsn(0n))
    const places = await sql`
      select ${at}::pg_lsn > ${result}::pg_lsn as "isAboveItsRows",
        ${at}::pg_lsn <= pg_current_wal_insert_lsn() as "isInTheLog"`.execute(db)
    expect(places.rows).toEqual([{ isAboveItsRows: true, isInTheLog: true }])
  })

  test('is not above the commits of those who wait for a connection', async () => {
    const pool = createPool({ url: database.url, max: 1, applicationName: 'test' })
    const single = createKysely<unknown>(pool)
    const writes = Array.from({ length: 10 }, (_, index) =>
      outbox.transaction(single, (transaction) => outbox.append(transaction, placed(`o${index}`))),
    )
    const tokens = await Promise.all(writes)
    await single.destroy()
    const lsns = tokens.map(({ token }) => parseCommitToken(token)[0]?.lsn ?? 0n)
    for (const [index, position] of lsns.slice(1).entries()) {
      expect(position).toBeGreaterThan(lsns[index] ?? 0n)
    }
  })

  test('without events says nothing', async () => {
    const { token } = await outbox.transaction(db, async () => undefined)
    expect(parseCommitToken(token)).toMatchObject([{ written: new Map() }])
  })

  test('has what was appended with another outbox of the process', async () => {
    const another = await outboxOf()
    const { token } = await outbox.transaction(db, (transaction) =>
      another.append(transaction, placed('21')),
    )
    const { token: ofBoth } = await another.transaction(db, async (transaction) => {
      await outbox.append(transaction, placed('21'))
      await another.append(transaction, placed('21'))
    })
    expect([token, ofBoth].map(eventsIn)).toEqual([1, 2])
  })

  test('has what was appended in the work of another transaction', async () => {
    const { token } = await outbox.transaction(db, (transaction) =>
      outbox.transaction(db, async (inner) => {
        await outbox.append(transaction, placed('21'))
        await outbox.append(inner, placed('abc'), placed('abc'))
      }),
    )
    expect(eventsIn(token)).toBe(1)
  })

  test('leaves out what was appended to a transaction of another database with the same id', async () => {
    const another = createKysely<unknown>(
      createPool({ url: database.url, max: 1, applicationName: 'test' }),
    )
    const transaction = await db.startTransaction().execute()
    await outbox.append(transaction, placed('21'))
    const { id } = (
      await sql<{ id: string }>`select pg_current_xact_id()::text as id`.execute(transaction)
    ).rows[0] ?? { id: '' }
    writtenWith(another)
      .of(id)
      .add([placed('abc')], { appendId: '1', previousId: NO_APPEND })
    const uncommitted = await outbox.token(transaction)
    await transaction.commit().execute()
    expect(eventsIn(await uncommitted.committed(db))).toBe(1)
    expect(writtenWith(another).of(id).topics.size).toBe(1)
    await another.destroy()
  })

  test('leaves out what was appended to another transaction meanwhile', async () => {
    const { token } = await outbox.transaction(db, async (transaction) => {
      await db.transaction().execute((other) => outbox.append(other, placed('21')))
      await outbox.append(transaction, placed('abc'))
    })
    const [written] = parseCommitToken(token)[0]?.written.values() ?? []
    expect([...(written?.counts ?? [])]).toEqual([[479470107, 1]])
  })

  test('of very many keys still counts all events', async () => {
    const { token } = await outbox.transaction(db, (transaction) =>
      outbox.append(
        transaction,
        ...Array.from({ length: 1_000 }, (_, index) => placed(`o${index}`)),
      ),
    )
    const [written] = parseCommitToken(token)[0]?.written.values() ?? []
    expect(written && eventCountOf(written)).toBe(1_000)
  })

  test.for(['table', 'message'] as const)(
    'leaves out what was rolled back to a savepoint, by %s',
    async (transport) => {
      const writer = await outboxOf({ transport })
      const run = (text: string, transaction: Transaction<unknown>) =>
        sql.raw(text).execute(transaction)
      const { token } = await writer.transaction(db, async (transaction) => {
        await run('savepoint outer_one', transaction)
        await writer.append(transaction, placed('gone'))
        await run('rollback to savepoint outer_one', transaction)
        await writer.append(transaction, placed('21'))
        await run('savepoint inner_one', transaction)
        await writer.append(transaction, placed('21'))
        await run('savepoint inner_two', transaction)
        await writer.append(transaction, placed('gone'), placed('gone'))
        await run('rollback to savepoint inner_two', transaction)
        await run('release savepoint inner_one', transaction)
        await run('savepoint last_one', transaction)
        await writer.append(transaction, placed('gone'))
        await run('rollback to savepoint last_one', transaction)
      })
      expect(parseCommitToken(token)[0]?.written.get(OrderEvents.topic)).toEqual({
        modulus: 2 ** 31,
        counts: new Map([[-973932308 & 0x7fff_ffff, 2]]),
      })
      const { token: ofNone } = await writer.transaction(db, async (transaction) => {
        await run('savepoint only_one', transaction)
        await writer.append(transaction, placed('gone'))
        await run('rollback to savepoint only_one', transaction)
      })
      expect(parseCommitToken(ofNone)).toMatchObject([{ written: new Map() }])
    },
  )

  test('is none when the transaction fails', async () => {
    const work = async (transaction: Transaction<unknown>) => {
      await outbox.append(transaction, placed('o1'))
      throw new Error('the business says no')
    }
    await expect(outbox.transaction(db, work)).rejects.toThrow('the business says no')
    expect(await rows()).toEqual([])
  })
})

describe('when the LSN behind a commit cannot be had, there is a token all the same', () => {
  /** Fails that many of the statements that ask for it. */
  const failing = (count: number) => {
    let left = count
    return db.withPlugin({
      transformQuery: ({ node }) => {
        const isLsn = JSON.stringify(node).includes('pg_current_wal_insert_lsn')
        if (isLsn && left > 0) {
          left -= 1
          throw new Error('Connection terminated unexpectedly')
        }
        return node
      },
      transformResult: ({ result }) => Promise.resolve(result),
    })
  }
  const write = (troubled: Kysely<unknown>) =>
    outbox.transaction(troubled, (transaction) =>
      outbox.append(transaction, OrderEvents.OrderPlaced({ orderId: 'abc', quantity: 1 })),
    )

  test('with an LSN of another connection', async () => {
    const { token } = await write(failing(1))
    expect(await rows()).toHaveLength(1)
    const [position] = parseCommitToken(token)
    expect(position?.lsn).toBeLessThan(UNKNOWN_LSN)
    expect(position?.written.size).toBe(1)
  })

  test('with none, so that the transaction itself has to be applied', async () => {
    const { token } = await write(failing(2))
    expect(await rows()).toHaveLength(1)
    expect(parseCommitToken(token)).toMatchObject([{ lsn: UNKNOWN_LSN }])
    expect(parseCommitToken(token)[0]?.written.size).toBe(1)
  })
})

describe('the token of a transaction that a framework begins and commits', () => {
  const placed = (orderId: string) => OrderEvents.OrderPlaced({ orderId, quantity: 1 })

  test('is there once it has committed, and says what outbox.transaction would', async () => {
    const transaction = await db.startTransaction().execute()
    await outbox.append(transaction, placed('21'))
    const uncommitted = await outbox.token(transaction)
    await outbox.append(transaction.withSchema('elsewhere'), placed('abc'))
    const written = await sql<{ upTo: string }>`
      select pg_current_wal_insert_lsn()::text as "upTo"`.execute(transaction)
    await transaction.commit().execute()

    const [position] = parseCommitToken(await uncommitted.committed(db))
    const [row] = await rows()
    expect(row?.['headers']).toMatchObject({ txId: position?.transactionId })
    const counts = new Map([
      [-973932308 & 0x7fff_ffff, 1],
      [479470107, 1],
    ])
    expect(position?.written.get(OrderEvents.topic)).toEqual({ modulus: 2 ** 31, counts })
    expect(position?.lsn).toBeGreaterThan(parseLsn(written.rows[0]?.upTo ?? ''))
    // Whoever asks again gets no less.
    const [again] = parseCommitToken(await uncommitted.committed(db))
    expect(again?.written).toEqual(position?.written)
  })

  test('leaves out what was rolled back to a savepoint before it was asked for, or before the last append', async () => {
    const transaction = await db.startTransaction().execute()
    await outbox.append(transaction, placed('21'))
    const one = await transaction.savepoint('one').execute()
    await outbox.append(one, placed('gone'))
    const before = await one.rollbackToSavepoint('one').execute()
    const uncommitted = await outbox.token(before)
    const two = await before.savepoint('two').execute()
    await outbox.append(two, placed('gone'))
    const last = await two.rollbackToSavepoint('two').execute()
    await outbox.append(last, placed('21'))
    await last.commit().execute()
    const [position] = parseCommitToken(await uncommitted.committed(db))
    expect(position?.written.get(OrderEvents.topic)?.counts).toEqual(
      new Map([[-973932308 & 0x7fff_ffff, 2]]),
    )
  })

  test('is none before it has committed, when it could be below the commit', async () => {
    const transaction = await db.startTransaction().execute()
    await outbox.append(transaction, placed('21'))
    const uncommitted = await outbox.token(transaction)
    for (const early of [db, transaction]) {
      await expect(uncommitted.committed(early)).rejects.toThrow('still open')
    }
    await outbox.append(transaction, placed('abc'))
    await transaction.commit().execute()
    const [position] = parseCommitToken(await uncommitted.committed(db))
    expect(position?.written.get(OrderEvents.topic)?.counts.size).toBe(2)
  })

  test('is none when it was rolled back', async () => {
    const transaction = await db.startTransaction().execute()
    await outbox.append(transaction, placed('21'))
    const uncommitted = await outbox.token(transaction)
    await transaction.rollback().execute()
    await expect(uncommitted.committed(db)).rejects.toThrow(TransactionNotCommittedError)
  })

  test('names no place when it outlived very many others, and waits for all partitions', async () => {
    const transaction = await db.startTransaction().execute()
    await outbox.append(transaction, placed('21'))
    for (let count = 0; count < 1_000; count += 1) {
      await db.transaction().execute((other) => outbox.append(other, placed('abc')))
    }
    const uncommitted = await outbox.token(transaction)
    await transaction.commit().execute()
    const [position] = parseCommitToken(await uncommitted.committed(db))
    expect(position?.written).toEqual(new Map([[OrderEvents.topic, null]]))
  })

  test('is asked for in the transaction', async () => {
    await expect(outbox.token(db as never)).rejects.toThrow('in its transaction')
  })
})

test('an event that breaks its schema is refused before any row is written', async () => {
  const fine = OrderEvents.OrderPlaced({ orderId: 'o1', quantity: 3 })
  const broken = OrderEvents.OrderPlaced({ orderId: 'o2', quantity: 2.5 })
  await db.transaction().execute(async (transaction) => {
    const refused = outbox.append(transaction, fine, broken)
    await expect(refused).rejects.toThrow(OutboxError)
    await expect(refused).rejects.toThrow(/breaks its schema: .*quantity/)
  })
  expect(await rows()).toEqual([])
})

test('events outside of a transaction are refused, as they would be there whatever becomes of their rows', async () => {
  const append = outbox.append(db as never, OrderEvents.OrderPlaced({ orderId: 'o1', quantity: 1 }))
  await expect(append).rejects.toThrow('append takes the transaction, not the database')
  expect(await rows()).toEqual([])
})

test.each([
  { given: undefined, reason: 'append takes events, as defineEvents makes them, not undefined' },
  { given: null, reason: 'append takes events, as defineEvents makes them, not object' },
  { given: [OrderEvents.OrderPlaced({ orderId: 'o1', quantity: 1 })], reason: 'spread it' },
])('what is no event is refused: $given', async ({ given, reason }) => {
  await db.transaction().execute(async (transaction) => {
    const refused = outbox.append(transaction, given as never)
    await expect(refused).rejects.toThrow(OutboxError)
    await expect(refused).rejects.toThrow(reason)
  })
})

test('so are events with nothing in the place of the transaction', async () => {
  const event = OrderEvents.OrderPlaced({ orderId: 'o1', quantity: 1 })
  await expect(outbox.append(undefined as never, event)).rejects.toThrow(OutboxError)
})

test('events of an unknown set and with an empty key are refused', async () => {
  await db.transaction().execute(async (transaction) => {
    await expect(outbox.append(transaction, Unrouted.Happened({ id: 'x' }))).rejects.toThrow(
      'Happened of elsewhere is in no event set',
    )
    await expect(
      outbox.append(transaction, OrderEvents.OrderPlaced({ orderId: '', quantity: 1 })),
    ).rejects.toThrow('empty key')
    await expect(
      outbox.append(transaction, OrderEvents.OrderPlaced({ orderId: 'a\0', quantity: 1 })),
    ).rejects.toThrow('a key with a NUL')
  })
})

test('a transaction in another one is refused, with what to do in its place', async () => {
  await db.transaction().execute(async (transaction) => {
    const nested = outbox.transaction(transaction, () => Promise.resolve())
    await expect(nested).rejects.toThrow('append to that, and ask outbox.token for its token')
  })
})

test('an unknown transport is refused at the start', async () => {
  const serde = createAvroSerde({ registry })
  const transport = 'mesage' as never
  await expect(createOutbox({ serde, events: [], transport })).rejects.toThrow(
    "'table' or 'message', not mesage",
  )
})

test('an event set that the relay would not route is refused at the start', async () => {
  const serde = createAvroSerde({ registry })
  await expect(createOutbox({ serde, events: [Unrouted] })).rejects.toThrow(
    'topic "elsewhere" does not start with "outbox.event."',
  )
})

test('schemas are registered once, under the topic and their full name', async () => {
  expect(registry.subjects).toEqual(['outbox.event.order-shop.OrderPlaced'])
})

/** A registry without HTTP: what is tested here is the outbox. */
class MemoryRegistry implements RegistryClient {
  readonly subjects: string[] = []
  readonly #schemas: RegisteredSchema[] = []

  async register(subject: string, { schema }: { readonly schema: string }): Promise<number> {
    this.subjects.push(subject)
    const schemaId = this.#schemas.length + 1
    this.#schemas.push({ schemaId, schema, schemaType: 'AVRO', references: [] })
    return schemaId
  }

  async schemaById(schemaId: number): Promise<RegisteredSchema> {
    const schema = this.#schemas[schemaId - 1]
    if (schema === undefined) throw new Error(`schema ${schemaId} is unknown`)
    return schema
  }

  lookup(): never {
    throw new Error('the outbox registers')
  }

  schemaByGuid(): never {
    throw new Error('the outbox registers')
  }

  associatedSubjects(): never {
    throw new Error('the outbox registers')
  }

  reportReader(): never {
    throw new Error('the outbox registers')
  }

  version(): never {
    throw new Error('the outbox registers')
  }

  testCompatibility(): never {
    throw new Error('the outbox registers')
  }
}

test('events may go into the log alone, where they leave no row', async () => {
  const messages = await createOutbox({
    serde: createAvroSerde({ registry }),
    events: [OrderEvents],
    transport: 'message',
  })
  await sql`select pg_create_logical_replication_slot('messages', 'test_decoding')`.execute(db)
  await db
    .transaction()
    .execute((transaction) =>
      messages.append(
        transaction,
        OrderEvents.OrderPlaced({ orderId: 'o-1', quantity: 1 }),
        OrderEvents.OrderPlaced({ orderId: 'o-2', quantity: 2 }),
      ),
    )
  const { rows: changes } = await sql<{ data: string }>`
    select data from pg_logical_slot_get_changes('messages', null, null)
    where data like 'message:%'`.execute(db)
  await sql`select pg_drop_replication_slot('messages')`.execute(db)
  expect(changes.map(({ data }) => /"aggregateid": "([^"]*)"/.exec(data)?.[1])).toEqual([
    'o-1',
    'o-2',
  ])
  expect(await rows()).toEqual([])
})
