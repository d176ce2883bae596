import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { PreparedRecord } from './log-record.ts'
import { type SampleEvent, accounts, sampleRecord } from './sample-projection.test-fixture.ts'
import type { RowKey } from './table.ts'
import { setSuspectsApart, trialFold } from './trial-fold.ts'

const deposit = (key: string, amount: number): SampleEvent => ({ type: 'Deposited', key, amount })
const recordsOf = (...events: readonly SampleEvent[]): readonly PreparedRecord[] =>
  events.map((event, offset) => sampleRecord(event, offset, offset))

function trial(records: readonly PreparedRecord[], parked: readonly string[] = []) {
  const ledger = { isParked: (key: string) => parked.includes(key) }
  return trialFold(accounts, { records, rows: new Map(), ledger, enriched: undefined })
}

test('a trial folds what would be applied, and names the rows of handlers that failed', () => {
  const records = recordsOf(
    deposit('a', 1),
    deposit('b', -1),
    deposit('b', 5),
    deposit('parked', 1),
    deposit('a', 2),
    { type: 'Closed', key: 'c' },
  )
  const { changed, suspects } = trial(records, ['parked'])
  expect([...changed]).toEqual([
    ['a', { id: 'a', balance: 3, events: 2 }],
    ['b', { id: 'b', balance: 5, events: 1 }],
    ['c', undefined],
  ])
  expect(suspects).toEqual({ rows: new Set(['b']), units: new Set() })
})

test('what is behind a record that cannot be decoded is not folded', () => {
  const [first, second, third] = recordsOf(deposit('a', 1), deposit('a', 2), deposit('a', 4))
  if (first === undefined || second === undefined || third === undefined) throw new TypeError()
  const broken: PreparedRecord = { ...second, content: { kind: 'undecodable', error: 'broken' } }
  const { changed, suspects } = trial([first, broken, third])
  expect(changed.get('a')).toEqual({ id: 'a', balance: 1, events: 1 })
  expect(suspects.rows.size + suspects.units.size).toBe(0)
})

test('records that share rows or units with a suspect, however remotely, are set apart', () => {
  const place = fc.record({
    unit: fc.integer({ min: 0, max: 9 }),
    row: fc.integer({ max: 9, min: 0 }),
  })
  const suspectRows = fc.uniqueArray(fc.integer({ min: 0, max: 9 }), { maxLength: 2 })
  const suspectUnits = fc.uniqueArray(fc.integer({ min: 0, max: 9 }), { maxLength: 2 })
  fc.assert(
    fc.property(
      fc.array(place, { maxLength: 15 }),
      suspectRows,
      suspectUnits,
      (places, rows, units) => {
        const records = recordsOf(...places.map(({ unit }) => deposit(`unit-${unit}`, 1)))
        const rowKeys = new Map<PreparedRecord, RowKey>(
          records.map((record, index) => [record, places[index]?.row ?? 0]),
        )
        const parts = setSuspectsApart(records, rowKeys, {
          rows: new Set(rows),
          units: new Set(units.map((unit) => `unit-${unit}`)),
        })
        // Until nothing more is drawn in.
        const drawn = new Set<number>()
        const isDrawn = ({ unit, row }: { unit: number; row: number }) =>
          units.includes(unit) ||
          rows.includes(row) ||
          places.some((one, index) => drawn.has(index) && (one.unit === unit || one.row === row))
        for (let before = -1; before < drawn.size; ) {
          before = drawn.size
          for (const [index, one] of places.entries()) if (isDrawn(one)) drawn.add(index)
        }
        expect(parts.apart).toEqual(records.filter((_, index) => drawn.has(index)))
        expect(parts.rest).toEqual(records.filter((_, index) => !drawn.has(index)))
      },
    ),
  )
})
