import { defineEvents } from '@fairlead/avro'
import { type FoldHandler, defineProjection, tables } from '@fairlead/projection'
import { expect, test } from 'vitest'
import { chaos } from './chaos.ts'
import { given } from './given.ts'
import { Orders, orderSummary, placed, sales } from './orders.test-fixture.ts'

const KEYS = ['o1', 'o2', 'o3']

/** Some of its events are poison. */
const history = (random: () => number) =>
  Array.from({ length: 12 }, () => {
    const orderId = KEYS[Math.floor(random() * KEYS.length)] ?? ''
    const kind = random()
    if (kind < 0.1) return placed(orderId, 0)
    if (kind < 0.5) return placed(orderId, Math.ceil(random() * 9))
    if (kind < 0.6) return Orders.OrderCancelled({ orderId })
    return Orders.OrderPaid({ orderId, cents: BigInt(Math.floor(random() * 900)) })
  })

const replaced = (OrderPlaced: FoldHandler) => ({
  ...orderSummary,
  on: { ...orderSummary.on, OrderPlaced },
})

const withInbox = { ...orderSummary, name: 'order_summary_with_inbox', inbox: { retentionMs: 1 } }

test.for([orderSummary, sales, withInbox])(
  '$name comes to the same rows whatever happens',
  async (correct) => {
    const report = await chaos(correct, history, { seed: 7, runs: 100 })
    expect(report).toMatchObject({ runs: 100, seed: 7 })
    expect(report.crashes).toBeGreaterThan(80)
    expect(report.duplicates).toBeGreaterThan(300)
    expect(report.batches).toBeGreaterThan(300)
  },
)

test('a run can be repeated', async () => {
  const once = await chaos(orderSummary, history, { seed: 3, runs: 5 })
  expect(await chaos(orderSummary, history, { seed: 3, runs: 5 })).toEqual(once)
})

test('a handler that counts its calls is found out', async () => {
  let calls = 0
  const counting = replaced((row) => ({ ...row, quantity: (calls += 1) }))
  await expect(chaos(counting, history)).rejects.toThrow(/run again with \{ seed: \d+, runs: 1 \}/)
})

test('a handler that remembers another key is found out', async () => {
  let last = ''
  const remembering = replaced((row, { key }) => {
    const status = last === 'o1' ? 'new' : 'placed'
    last = key
    return { ...row, status }
  })
  await expect(chaos(remembering, history)).rejects.toThrow('depends on more than the order')
})

test('a fold of several keys into one row is found out', async () => {
  const joined = { ...orderSummary, rowKey: () => 'all' }
  await expect(chaos(joined, history)).rejects.toThrow('depends on more than the order')
})

test('a look-up that tells about a batch, not its events, is found out', async () => {
  const counted = {
    ...replaced((row, _event, count) => ({ ...row, quantity: count })),
    enrich: (events: readonly unknown[]) => events.length,
  }
  const db = {} as never
  await expect(chaos(counted, history, { db })).rejects.toThrow('depends on more than the order')
})

test.for([{ runs: 0 }, { runs: Number.NaN }, { runs: 1.5 }, { seed: Number.NaN }])(
  'with %j it would prove nothing, and is refused',
  async (options) => {
    await expect(chaos(orderSummary, history, options)).rejects.toThrow(TypeError)
  },
)

/** Comes to other rows when one batch holds exactly these keys. */
const averseTo = (keys: readonly string[]) => ({
  ...replaced((row, _event, isAverse) => ({ ...row, quantity: isAverse === true ? 7 : 1 })),
  enrich: (events: readonly { readonly key: string }[]) =>
    events.map(({ key }) => key).join() === keys.join(),
})

const four = [placed('o1', 1), placed('o2', 1), placed('o3', 1), placed('o4', 1)]

test.for([
  [['o3', 'o4'], 'in batches of 1, 1, 2'],
  [['o2', 'o3'], 'in batches of 1, 2, 1'],
  [['o1', 'o2', 'o3', 'o4'], 'in batches of 4'],
] as const)('a difference made by a batch of %j is found, and told', async ([keys, told]) => {
  const options = { db: {} as never, runs: 1, seed: 1 }
  await expect(chaos(averseTo(keys), four, options)).rejects.toThrow(told)
})

test('of a short history every split is tried, of a long one every split in two', async () => {
  const crashesAndRebuild = 5
  const short = await chaos(orderSummary, four, { runs: 1, seed: 1 })
  expect(short.ways).toBe(2 ** 3 + crashesAndRebuild)
  const long = await chaos(orderSummary, [...four, ...four, ...four], { runs: 1, seed: 1 })
  expect(long.ways).toBe(1 + 12 + crashesAndRebuild)
})

const Notes = defineEvents({
  topic: 'outbox.event.note',
  key: 'id',
  events: {
    Noted: {
      type: 'record',
      name: 'Noted',
      fields: [
        { name: 'id', type: 'string' },
        { name: 'text', type: 'string' },
      ],
    },
  },
})
type Notes = { note: { id: string; last: string; doc: object } }
const notes = defineProjection({
  name: 'notes',
  version: 1,
  from: Notes,
  into: tables<Notes>()('note', 'id', { id: 'text', last: 'text', doc: 'jsonb' }),
})
const initial = (id: string) => ({ id, last: '', doc: {} })
const noted = ['a', 'b', 'a', 'c', 'b'].map((id, index) => Notes.Noted({ id, text: `${index}` }))

test('an event keeps its id in another order across keys', async () => {
  const ofIds = notes.fold({ initial, on: { Noted: (row, { id }) => ({ ...row, last: id }) } })
  const report = await chaos(ofIds, noted, { seed: 1, runs: 20 })
  expect(report.parked).toBe(0)
})

test('a value of jsonb that is no JSON is found out: it is another one once it was read', async () => {
  const Noted = (row: Notes['note']) => ({ ...row, doc: { at: new Date(0), was: row.doc } })
  const dated = notes.fold({
    initial,
    on: {
      Noted: (row) => {
        const isDate =
          typeof row.doc === 'object' && Object.values(row.doc ?? {})[0] instanceof Date
        return { ...Noted(row), last: `${isDate}` }
      },
    },
  })
  await expect(chaos(dated, noted, { seed: 1, runs: 1 })).rejects.toThrow('in batches of')
})

test('what all rows share is found out, and so is a part of a row that is pushed into', async () => {
  const shared: string[] = []
  const sharing = notes.fold({
    initial: (id) => ({ id, last: '', doc: [] }),
    on: {
      Noted: (row, { data }) => {
        shared.push(data.text)
        return { ...row, doc: [...shared] }
      },
    },
  })
  await expect(chaos(sharing, noted, { seed: 1, runs: 1 })).rejects.toThrow('not pure')
  const pushing = notes.fold({
    initial: (id) => ({ id, last: '', doc: [] }),
    on: {
      Noted: (row, { data }) => {
        if (Array.isArray(row.doc)) row.doc.push(data.text)
        return { ...row }
      },
    },
  })
  await expect(
    given(pushing)
      .events(...noted)
      .then([]),
  ).rejects.toThrow('not extensible')
})

test('handlers that come to other rows of the same are told to be impure', async () => {
  let calls = 0
  const counting = replaced((row) => ({ ...row, quantity: (calls += 1) }))
  await expect(chaos(counting, four, { seed: 1, runs: 1 })).rejects.toThrow(
    'comes to other rows when the same events come one by one once more (its handlers are not pure): run again with { seed: 1, runs: 1 }',
  )
})

test('with all events set aside there is nothing to compare', async () => {
  const failing = replaced(() => {
    throw new Error('always')
  })
  await expect(chaos(failing, four, { seed: 1, runs: 2 })).rejects.toThrow('set all events aside')
  const some = await chaos(orderSummary, [...four, placed('bad', 0)], { seed: 1, runs: 2 })
  expect(some.parked).toBe(2)
})
