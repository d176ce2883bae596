import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Attempts } from './attempts.ts'
import { BatchLedger, type Letter } from './batch-ledger.ts'
import type { FoldProjection } from './definition.ts'
import { foldBatch, rowKeysOf } from './fold.ts'
import type { PreparedRecord } from './log-record.ts'
import { type Progress, admit } from './progress.ts'
import { type SampleEvent, accounts, sampleRecord } from './sample-projection.test-fixture.ts'
import type { Row, RowKey } from './table.ts'

const BEGINNING: Progress = { nextOffset: 0, source: null, eventTimeMs: null }

/** A database in memory, with batches that are all or nothing. */
class ReadModel {
  readonly rows = new Map<RowKey, Row>()
  readonly letters: Letter[] = []
  readonly parkedKeys = new Set<string>()
  progress: Progress = BEGINNING

  apply(records: readonly PreparedRecord[]): BatchLedger {
    const nextOffset = (records.at(-1)?.record.offset ?? -1) + 1
    const admitted = admit(this.progress, { startOffset: 0, records, nextOffset })
    const ledger = new BatchLedger({
      projection: accounts,
      parkedKeys: this.parkedKeys,
      attempts: Attempts.none,
    })
    const keys = rowKeysOf(accounts, admitted.records, ledger)
    const rows = new Map(keys.flatMap((key) => this.#row(key)))
    const changes = foldBatch(accounts, { records: admitted.records, rows, ledger })
    for (const row of changes.upserts) this.rows.set(String(row['id']), row)
    for (const key of changes.deletes) this.rows.delete(key)
    for (const key of ledger.parkedKeys) this.parkedKeys.add(key)
    this.letters.push(...ledger.letters)
    this.progress = admitted.to
    return ledger
  }

  #row(key: RowKey): readonly (readonly [RowKey, Row])[] {
    const row = this.rows.get(key)
    return row === undefined ? [] : [[key, row]]
  }

  get state(): unknown {
    return {
      rows: Object.fromEntries(this.rows),
      letters: this.letters.map(({ key, record, cause }) => [key, record.offset, cause.kind]),
    }
  }
}

/** One event after the other, by the plain rules: what every other way must come to. */
function oracle(events: readonly SampleEvent[]): unknown {
  const rows: Record<string, unknown> = {}
  const letters: unknown[] = []
  const parked = new Set<string>()
  for (const [offset, event] of events.entries()) {
    const { key } = event
    const isPoison = event.type === 'Deposited' && event.amount < 0
    if (parked.has(key)) letters.push([key, offset, 'blocked'])
    else if (isPoison) {
      parked.add(key)
      letters.push([key, offset, 'failed'])
    } else if (event.type === 'Closed') Reflect.deleteProperty(rows, key)
    else {
      const row = (rows[key] ?? { balance: 0, events: 0 }) as { balance: number; events: number }
      rows[key] = { id: key, balance: row.balance + event.amount, events: row.events + 1 }
    }
  }
  return { rows, letters }
}

const anyEvent: fc.Arbitrary<SampleEvent> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      type: fc.constant('Deposited' as const),
      key: fc.constantFrom('a', 'b', 'c', 'd'),
      amount: fc.integer({ min: 0, max: 100 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      type: fc.constant('Deposited' as const),
      key: fc.constantFrom('a', 'b', 'c'),
      amount: fc.constant(-1),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      type: fc.constant('Closed' as const),
      key: fc.constantFrom('a', 'b', 'c', 'd'),
    }),
  },
)
const history = fc.array(anyEvent, { maxLength: 40 })
const records = (events: readonly SampleEvent[]): PreparedRecord[] =>
  events.map((event, offset) => sampleRecord(event, offset, offset))

describe('a folded log', () => {
  test('comes to the same rows and letters however it is split into batches', () => {
    fc.assert(
      fc.property(history, fc.array(fc.integer({ min: 1, max: 9 })), (events, sizes) => {
        const model = new ReadModel()
        let rest = records(events)
        for (const size of [...sizes, events.length]) {
          model.apply(rest.slice(0, size))
          rest = rest.slice(size)
        }
        expect(model.state).toEqual(oracle(events))
      }),
    )
  })

  test('counts each event once, however often it is read again from an earlier offset', () => {
    fc.assert(
      fc.property(history, fc.array(fc.nat(40), { maxLength: 8 }), (events, rewinds) => {
        const model = new ReadModel()
        const all = records(events)
        for (const end of [...rewinds, events.length]) model.apply(all.slice(0, end))
        expect(model.state).toEqual(oracle(events))
      }),
    )
  })

  test('drops what the relay publishes again after a crash', () => {
    fc.assert(
      fc.property(history, fc.nat(40), fc.nat(40), (events, crash, unconfirmed) => {
        const model = new ReadModel()
        const published = Math.min(crash, events.length)
        const confirmed = Math.max(0, published - unconfirmed)
        model.apply(records(events.slice(0, published)))
        const again = events
          .slice(confirmed)
          .map((event, index) => sampleRecord(event, published + index, confirmed + index))
        const { appliedCount, letters } = model.apply(again)

        expect(appliedCount + letters.length).toBe(events.length - published)
        const { rows } = oracle(events) as { rows: unknown }
        expect(Object.fromEntries(model.rows)).toEqual(rows)
      }),
    )
  })

  test('does not depend on how the events of different keys interleave', () => {
    fc.assert(
      fc.property(history, (events) => {
        const interleaved = new ReadModel()
        interleaved.apply(records(events))
        const byKey = new ReadModel()
        byKey.apply(records([...events].sort((a, b) => a.key.localeCompare(b.key))))
        expect(Object.fromEntries(byKey.rows)).toEqual(Object.fromEntries(interleaved.rows))
        expect(byKey.parkedKeys).toEqual(interleaved.parkedKeys)
      }),
    )
  })
})

const deposit = (key: string, amount: number): SampleEvent => ({ type: 'Deposited', key, amount })

test.for([
  { where: 'the start', events: [deposit('bad', -1), deposit('a', 1), deposit('b', 2)] },
  { where: 'the middle', events: [deposit('a', 1), deposit('bad', -1), deposit('b', 2)] },
  { where: 'the end', events: [deposit('a', 1), deposit('b', 2), deposit('bad', -1)] },
])('a poison event at $where parks its key alone', ({ events }) => {
  const model = new ReadModel()
  const ledger = model.apply(records(events))

  expect(ledger.appliedCount).toBe(2)
  expect([...ledger.parkedKeys]).toEqual(['bad'])
  expect([...model.rows.values()]).toEqual([
    { id: 'a', balance: 1, events: 1 },
    { id: 'b', balance: 2, events: 1 },
  ])
  expect(model.letters[0]?.cause).toMatchObject({
    kind: 'failed',
    stage: 'handle',
    errorClass: 'RangeError',
    errorMessage: 'amount -1 is negative',
    attempts: 1,
  })
})

test('a row keeps what came before the poison event of its key', () => {
  const model = new ReadModel()
  model.apply(records([deposit('a', 1), deposit('a', -1), deposit('a', 4)]))

  expect(model.rows.get('a')).toEqual({ id: 'a', balance: 1, events: 1 })
  expect(model.letters.map(({ cause }) => cause.kind)).toEqual(['failed', 'blocked'])
})

test('what a handler does to a part of its row before it throws is not in the row', () => {
  const jsonb = { ...accounts.table.columns, days: 'jsonb' }
  const projection: FoldProjection = {
    ...accounts,
    table: { ...accounts.table, columns: jsonb },
    initial: (id) => ({ id, balance: 0, events: 0, days: { of: [] } }),
    on: {
      Deposited: (row, { data }) => {
        const { amount } = data as { readonly amount: number }
        const { of: days } = row['days'] as { readonly of: readonly number[] }
        if (amount > 0) return { ...row, days: { of: [...days, amount] } }
        Object.assign(days, { [days.length]: amount })
        throw new RangeError('the days are over')
      },
    },
  }
  const ledger = new BatchLedger({ projection, parkedKeys: new Set(), attempts: Attempts.none })
  const batch = records([deposit('a', 1), deposit('a', -1)])
  const { upserts } = foldBatch(projection, { records: batch, rows: new Map(), ledger })
  expect(upserts).toMatchObject([{ id: 'a', days: { of: [1] } }])
  expect(ledger.letters).toMatchObject([{ cause: { kind: 'failed', errorClass: 'TypeError' } }])
})

describe('a handler that breaks the rules is to blame itself', () => {
  const batchOf = (on: (typeof accounts)['on']) => {
    const projection = { ...accounts, on }
    const ledger = new BatchLedger({
      projection,
      parkedKeys: new Set(),
      attempts: Attempts.none,
    })
    const batch = records([deposit('a', 1)])
    const rows = new Map<RowKey, Row>([['a', { id: 'a', balance: 5, events: 1 }]])
    const changes = foldBatch(projection, { records: batch, rows, ledger })
    return { changes, cause: ledger.letters[0]?.cause }
  }
  test.for([
    ['changes the row it got', (row: Row) => Object.assign(row, { balance: 0 }), 'TypeError'],
    ['leaves a column out', () => ({ id: 'a', balance: 0 }), 'TypeError'],
    ['adds a column', (row: Row) => ({ ...row, extra: 1 }), 'TypeError'],
    ['changes the key', (row: Row) => ({ ...row, id: 'b' }), 'TypeError'],
  ] as const)('%s', ([, handler, errorClass]) => {
    const { changes, cause } = batchOf({ Deposited: handler })
    expect(changes).toEqual({ upserts: [], deletes: [] })
    expect(cause).toMatchObject({ kind: 'failed', errorClass })
  })

  test.for([
    ['null', () => null, 'the handler of Deposited returned null: it returns a row of'],
    ['text', () => 'row', 'the handler of Deposited returned string: it returns a row of'],
    [
      'a promise',
      (row: Row) => Promise.resolve(row),
      'returned a promise: a fold waits for nothing',
    ],
  ] as const)('returns %s', ([, handler, message]) => {
    const { cause } = batchOf({ Deposited: handler as () => never })
    expect(cause).toMatchObject({ kind: 'failed', errorMessage: expect.stringContaining(message) })
  })
})

test('of a record that is not decoded yet, the row of its key is wanted', () => {
  const sample = sampleRecord({ type: 'Deposited', key: 'a', amount: 1 }, 0, 0)
  const undecoded: PreparedRecord = {
    ...sample,
    plan: 'event',
    eventKey: 'a',
    get content(): PreparedRecord['content'] {
      throw new Error('it was decoded')
    },
  }
  const ledgerOf = (parkedKeys: ReadonlySet<string>) =>
    new BatchLedger({ projection: accounts, parkedKeys, attempts: Attempts.none })
  expect(rowKeysOf(accounts, [undecoded, undecoded], ledgerOf(new Set()))).toEqual(['a'])
  expect(rowKeysOf(accounts, [undecoded], ledgerOf(new Set(['a'])))).toEqual([])
  const shared = { ...accounts, mayShareRows: true }
  expect(() => rowKeysOf(shared, [undecoded], ledgerOf(new Set()))).toThrow('it was decoded')
})

test.for([
  ['lacks a column', { id: 'a', balance: 1 }, 'the row of account lacks events'],
  [
    'lacks one and has another',
    { id: 'a', balance: 1, evnets: 1 },
    'the row of account lacks events',
  ],
  [
    'has a column that is none',
    { id: 'a', balance: 1, events: 1, note: '' },
    'account has no column "note"',
  ],
  [
    'has another key',
    { id: 'b', balance: 1, events: 1 },
    'a handler changed the key id of a row of account',
  ],
] as const)('a row that %s is the fault of its event', ([, row, message]) => {
  const projection = { ...accounts, on: { Deposited: () => row } }
  const ledger = new BatchLedger({
    projection,
    parkedKeys: new Set(),
    attempts: Attempts.none,
  })
  const records = [sampleRecord({ type: 'Deposited', key: 'a', amount: 1 }, 0, 0)]
  expect(foldBatch(projection, { records, rows: new Map(), ledger })).toEqual({
    upserts: [],
    deletes: [],
  })
  expect(ledger.letters).toMatchObject([{ cause: { kind: 'failed', errorMessage: message } }])
})

test.for([
  ['a row of another key', { id: '', balance: 0, events: 0 }, 'initial made a row of account with'],
  ['no row', undefined, 'initial made no row of account, but undefined'],
] as const)('%s to begin with is the fault of its event', ([, row, message]) => {
  const projection = { ...accounts, initial: () => row as never }
  const ledger = new BatchLedger({ projection, parkedKeys: new Set(), attempts: Attempts.none })
  const records = ['a', 'b'].map((key, offset) =>
    sampleRecord({ type: 'Deposited', key, amount: 1 }, offset, 0),
  )
  foldBatch(projection, { records, rows: new Map(), ledger })
  const failed = { cause: { kind: 'failed', errorMessage: expect.stringContaining(message) } }
  expect(ledger.letters).toMatchObject([failed, failed])
})

test('a record without a key becomes no row under what it is set aside under', () => {
  const { record } = sampleRecord({ type: 'Deposited', key: 'a', amount: 1 }, 7, 0)
  const key = `${record.partition}:7`
  const records = [
    sampleRecord({ type: 'Deposited', key, amount: 1 }, 7, 0),
    sampleRecord({ type: 'Deposited', key, amount: 1 }, 8, 1),
  ]
  const rowKey = (event: { key: string }) => `of ${event.key}`
  const outcome = (projection: typeof accounts) => {
    const ledger = new BatchLedger({ projection, parkedKeys: new Set(), attempts: Attempts.none })
    const { upserts } = foldBatch(projection, { records, rows: new Map(), ledger })
    return { upserts, letters: ledger.letters }
  }
  expect(outcome(accounts)).toMatchObject({
    upserts: [],
    letters: [
      {
        cause: {
          kind: 'failed',
          errorMessage:
            'the record has no key that is a text, so account has no row for it: give the projection a key',
        },
      },
      { cause: { kind: 'blocked' } },
    ],
  })
  expect(outcome({ ...accounts, rowKey }).upserts).toEqual([
    { id: `of ${key}`, balance: 2, events: 2 },
  ])
})
