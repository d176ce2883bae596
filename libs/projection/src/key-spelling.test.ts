import { expect, test } from 'vitest'
import { mayBeSpelledTwice, mayMeetOtherSpellings } from './key-spelling.ts'
import { accounts, sampleRecord } from './sample-projection.test-fixture.ts'

const isMet = (type: string, key: string): boolean => {
  const table = { ...accounts.table, columns: { ...accounts.table.columns, id: type } }
  const event = { type: 'Deposited', key, amount: 1 } as const
  return mayMeetOtherSpellings({ ...accounts, table }, [sampleRecord(event, 0, 0)])
}

test.for([
  ['uuid', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', false],
  ['uuid', 'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11', true],
  ['uuid', 'a0eebc999c0b4ef8bb6d6bb9bd380a11', true],
  ['uuid', '{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}', true],
  ['uuid', 'a0ee-bc99-9c0b-4ef8-bb6d6bb9bd380a11', true],
  ['uuid', '{a0eebc99-9c0b4ef8-bb6d6bb9bd380a11}', true],
  ['date', '2026-01-31', false],
  ['date', '2026-1-31', true],
  ['date', '12026-01-31', true],
  ['numeric', '0', false],
  ['numeric', '-0.5', false],
  ['numeric', '1050', false],
  ['numeric', '-0', true],
  ['numeric', '1.50', true],
  ['numeric', '01', true],
  ['numeric', '1e3', true],
  ['numeric', 'NaN', true],
  ['text', 'A', false],
  ['bigint', '+1', false],
] as const)(
  'a key of type %s that is %s may be that of another spelling: %s',
  ([type, key, expected]) => {
    expect(isMet(type, key)).toBe(expected)
  },
)

test('rows that all partitions share are kept apart otherwise', () => {
  const table = { ...accounts.table, columns: { ...accounts.table.columns, id: 'uuid' } }
  const event = { type: 'Deposited', key: 'A', amount: 1 } as const
  const records = [sampleRecord(event, 0, 0)]
  expect(mayMeetOtherSpellings({ ...accounts, table, mayShareRows: true }, records)).toBe(false)
})

test.for([
  ['uuid', ['a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'], false],
  ['uuid', ['a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', 'a0eebc999c0b4ef8bb6d6bb9bd380a11'], true],
  ['date', ['2026-01-31', '2026-1-31'], true],
  ['text', ['a', 'A'], false],
  ['bigint', [1n, 2], false],
] as const)('of keys of type %s two of %s may be of one row: %s', ([type, keys, expected]) => {
  const columns = { ...accounts.table.columns, id: type }
  expect(mayBeSpelledTwice({ ...accounts.table, columns }, keys)).toBe(expected)
})
