import { defineEvents } from '@fairlead/avro'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { changeOf, foldOfChanges } from './commutative.ts'
import { foldEvent } from './fold.ts'
import { addChanges } from './commutative-columns.ts'
import { type AnyEvent, type ChangeHandler, defineProjection } from './definition.ts'
import { type Row, tables } from './table.ts'

const Events = defineEvents({
  topic: 't',
  key: 'id',
  events: {
    Counted: { type: 'record', name: 'Counted', fields: [{ name: 'id', type: 'string' }] },
  },
})
type DB = {
  counts: { id: string; sum: bigint; count: number; last: Date | null; first: string | null }
}
const counts = defineProjection({
  name: 'counts',
  version: 1,
  from: Events,
  into: tables<DB>()('counts', 'id', {
    id: 'text',
    sum: 'bigint',
    count: 'integer',
    last: 'timestamptz null',
    first: 'text null',
  }),
}).commutative({
  columns: { sum: 'inc', count: 'inc', last: 'max', first: 'min' },
  on: { Counted: () => ({ count: 1 }) },
})

const event: AnyEvent = {
  type: 'Counted',
  data: {},
  id: '1',
  key: 'a',
  at: new Date(0),
  source: { topic: 't', partition: 0, offset: 0 },
  headers: {},
}
const changing = (change: Row) => {
  const Counted: ChangeHandler = () => change
  return changeOf({ ...counts, on: { Counted } }, event)
}

test('a change is a row with what it leaves out at 0 or null', () => {
  expect(changeOf(counts, event)).toEqual({
    rowKey: 'a',
    change: { id: 'a', sum: 0n, count: 1, last: null, first: null },
  })
})

test('a column may have the name of what every object has', () => {
  const table = { ...counts.table, columns: { id: 'text', constructor: 'integer' } }
  const Counted: ChangeHandler = () => ({})
  const named = { ...counts, table, operations: { constructor: 'inc' }, on: { Counted } } as const
  expect(changeOf(named, event).change).toEqual({ id: 'a', constructor: 0 })
})

describe('a change is refused that', () => {
  test.for([
    ['names a column that the table lacks', { cuont: 1 }, 'no column "cuont"'],
    ['sets the key', { id: 'b' }, 'no column "id"'],
  ] as const)('%s', ([, change, reason]) => {
    expect(() => changing(change)).toThrow(reason)
  })

  test('leaves out a column that is not nullable', () => {
    const table = { ...counts.table, columns: { ...counts.table.columns, last: 'timestamptz' } }
    expect(() => changeOf({ ...counts, table }, event)).toThrow('lacks last')
  })
})

const change = fc.record({
  id: fc.constant('a'),
  sum: fc.bigInt({ min: -9n, max: 9n }),
  count: fc.integer({ min: -9, max: 9 }),
  last: fc.option(fc.date({ noInvalidDate: true })),
  first: fc.option(fc.string({ unit: 'grapheme' })),
})
const sumOf = (changes: readonly Row[]): unknown =>
  changes.reduce((sum, next) => addChanges(counts, sum, next))

test('changes come to the same sum in every order', () => {
  fc.assert(
    fc.property(
      fc.array(change, { minLength: 1 }),
      fc.infiniteStream(fc.nat()),
      (changes, order) => {
        const shuffled = changes
          .map((one) => ({ one, at: order.next().value }))
          .sort((left, right) => left.at - right.at)
          .map(({ one }) => one)
        expect(sumOf(shuffled)).toEqual(sumOf(changes))
      },
    ),
  )
})

test('integers add up whether they are numbers or bigints, as they do in Postgres', () => {
  const sumsOf = (...changes: readonly Row[]) => changes.reduce((a, b) => addChanges(counts, a, b))
  const { change: left } = changing({})
  const { change: number } = changing({ sum: 5, count: 1 })
  const { change: bigint } = changing({ sum: 7n, count: 2n })
  for (const order of [
    [left, number, bigint],
    [bigint, number, left],
  ]) {
    expect(sumsOf(...order)).toMatchObject({ sum: 12n, count: 3n })
  }
  const { change: half } = changing({ sum: 0.5 })
  expect(() => sumsOf(left, half)).toThrow('cannot add a number to a bigint')
})

test('text has the order of its code points', () => {
  const row = (first: string): Row => ({ id: 'a', sum: 0n, count: 0, last: null, first })
  expect(sumOf([row('\u{1f600}'), row('\uffff')])).toMatchObject({ first: '\uffff' })
})

test('NaN is the largest number, in whatever order it comes', () => {
  const ordered = { least: 'min', most: 'max' } as const
  const row = (value: number): Row => ({ least: value, most: value })
  for (const values of [
    [Number.NaN, 5],
    [5, Number.NaN],
    [Number.POSITIVE_INFINITY, Number.NaN, 5],
    [Number.NaN, Number.NaN, 5],
  ]) {
    const sum = values
      .map(row)
      .reduce((one, other) => addChanges({ table: counts.table, operations: ordered }, one, other))
    expect(sum).toEqual({ least: 5, most: Number.NaN })
  }
})

test('dates have the order of the days that they are', () => {
  const table = { ...counts.table, columns: { least: 'date', most: 'date null' } }
  const ordered = { least: 'min', most: 'max' } as const
  const dates = ['9999-12-31', '10000-01-01', '2026-2-1', '2026-01-31', '0044-03-15 BC']
  const row = (date: string): Row => ({ least: date, most: date })
  const extremes = (texts: readonly string[]): Row =>
    texts.map(row).reduce((one, other) => addChanges({ table, operations: ordered }, one, other))
  for (const order of [dates, dates.toReversed()]) {
    expect(extremes(order)).toEqual({ least: '0044-03-15 BC', most: '10000-01-01' })
    expect(extremes([...order, 'infinity', '-infinity'])).toEqual({
      least: '-infinity',
      most: 'infinity',
    })
  }
})

test('a fold of changes comes to their sum, from a row without a beginning on', () => {
  const table = { ...counts.table, columns: { ...counts.table.columns, last: 'timestamptz' } }
  const fold = foldOfChanges({ ...counts, table, on: { Counted: ({ data }) => data as Row } })
  const dated = change.map((row) => ({ ...row, last: row.last ?? new Date(0) }))
  fc.assert(
    fc.property(fc.array(dated, { minLength: 1 }), (changes) => {
      const folded = changes.reduce<Row | undefined>((row, { id: rowKey, ...data }) => {
        return foldEvent(fold, { rowKey, row, event: { ...event, data }, enriched: undefined })
      }, undefined)
      expect(folded).toEqual(sumOf(changes))
    }),
  )
})

test.for([
  [Promise.resolve({ count: 1 }), 'promise'],
  [7, 'number'],
  [true, 'boolean'],
  ['', 'string'],
] as const)(
  'a handler that returns what is no change (%s) is refused, as it would pass for one that adds nothing',
  ([answer, given]) => {
    const wrong = { ...counts, on: { Counted: () => answer as never } }
    expect(() => changeOf(wrong, event)).toThrow(
      `returned a ${given}: it returns what its event adds`,
    )
  },
)
