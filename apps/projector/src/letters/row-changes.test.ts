import { expect, test } from 'vitest'
import { type RowChange, netChanges, readRow } from './row-changes.ts'

const KEYS = new Map([['account', ['id']]])

type Value = number | null

const row = (value: Value) => (value === null ? null : { id: 'a', value })

/** What triggers note as the row becomes one value after the other; null: it is not there. */
function noted(values: readonly Value[]): readonly RowChange[] {
  return values.flatMap((after, index) => {
    const before = values[index - 1]
    if (before === undefined || (before === null && after === null)) return []
    return [{ table: 'account', before: row(before), after: row(after) }]
  })
}

/** All that a row can become in up to three changes. */
function lives(): readonly (readonly Value[])[] {
  let longest: readonly (readonly Value[])[] = [[null], [1], [2]]
  const all: (readonly Value[])[] = []
  for (let length = 0; length < 3; length += 1) {
    longest = longest.flatMap((values) => [null, 1, 2].map((next) => [...values, next]))
    all.push(...longest)
  }
  return all
}

test.for(lives().map((values) => ({ values })))('$values is told by its ends', ({ values }) => {
  const [before, after] = [values[0] ?? null, values.at(-1) ?? null]
  const change = { table: 'account', before: row(before), after: row(after) }
  expect(netChanges(noted(values), KEYS)).toEqual(before === after ? [] : [change])
})

test.for([
  ['inserted and changed', [null, 1, 2], { before: null, after: { id: 'a', value: 2 } }],
  ['inserted and written again', [null, 1, 1], { before: null, after: { id: 'a', value: 1 } }],
  ['inserted and removed', [null, 1, null], undefined],
  ['removed and inserted', [1, null, 2], { before: { value: 1 }, after: { value: 2 } }],
] as const)('a row that is %s', ([, values, change]) => {
  expect(netChanges(noted(values), KEYS)).toMatchObject(change === undefined ? [] : [change])
})

test('a row that gets another key is gone under the one it had', () => {
  const [one, other] = [
    { id: 'a', value: 1 },
    { id: 'b', value: 1 },
  ]
  const changes = [
    { table: 'account', before: one, after: other },
    { table: 'account', before: other, after: { ...other, value: 2 } },
  ]
  expect(netChanges(changes, KEYS)).toEqual([
    { table: 'account', before: one, after: null },
    { table: 'account', before: null, after: { ...other, value: 2 } },
  ])
})

test('changes of a table without a key stand alone', () => {
  const changes = noted([null, 1, 2])
  expect(netChanges(changes, new Map())).toEqual(changes)
})

test.for([
  ['9007199254740993', '9007199254740993'],
  ['-9007199254740993', '-9007199254740993'],
  ['0.12345678901234567891', '0.12345678901234567891'],
  [`1${'0'.repeat(400)}`, `1${'0'.repeat(400)}`],
  ['9007199254740991', 9_007_199_254_740_991],
  ['0', 0],
  ['0.00', 0],
  ['-12.50', -12.5],
  ['0.0000001', 1e-7],
  [`1${'0'.repeat(300)}`, 1e300],
] as const)('of a row the number %s is %s', ([digits, value]) => {
  expect(readRow(`{"deep": [{"value": ${digits}}]}`)).toEqual({ deep: [{ value }] })
})

test('rows and values that differ in digits that a double has not are not taken for one', () => {
  const one = readRow('{"id": 9007199254740992, "value": 0}')
  const other = readRow('{"id": 9007199254740993, "value": 9007199254740992}')
  const changed = readRow('{"id": 9007199254740993, "value": 9007199254740993}')
  const changes = [
    { table: 'account', before: null, after: one },
    { table: 'account', before: other, after: changed },
  ]
  expect(netChanges(changes, KEYS)).toEqual(changes)
})
