import { lsn } from '@fairlead/base'
import { expect, test } from 'vitest'
import type { PreparedRecord } from './log-record.ts'
import { comesBefore } from './merge-order.ts'

type Place = {
  readonly timeMs: number
  readonly lsn?: number
  readonly index?: number
}

function at(place: Place): PreparedRecord {
  const { timeMs, index = 0 } = place
  const value = new Uint8Array()
  const record = { topic: 't', partition: 0, offset: 0, timestampMs: timeMs, key: null, value }
  return {
    record: { ...record, headers: [] },
    key: '',
    tenant: '',
    eventType: null,
    source:
      place.lsn === undefined
        ? null
        : { commitLsn: lsn(BigInt(place.lsn)), index, commitTimeMs: timeMs, transactionId: null },
    content: { kind: 'ignored' },
  }
}

test.for([
  { rule: 'the earlier commit', left: { timeMs: 1, lsn: 9 }, right: { timeMs: 2, lsn: 5 } },
  { rule: 'of one time, the lower LSN', left: { timeMs: 1, lsn: 5 }, right: { timeMs: 1, lsn: 9 } },
  {
    rule: 'of one transaction, the lower index',
    left: { timeMs: 1, lsn: 5, index: 0 },
    right: { timeMs: 1, lsn: 5, index: 1 },
  },
  {
    rule: 'of one time, one without a place',
    left: { timeMs: 1 },
    right: { timeMs: 1, lsn: 1 },
  },
  {
    rule: 'without a place, the earlier record',
    left: { timeMs: 1 },
    right: { timeMs: 2, lsn: 1 },
  },
] as const)('first comes $rule', ({ left, right }) => {
  expect(comesBefore(at(left), at(right))).toBe(true)
  expect(comesBefore(at(right), at(left))).toBe(false)
})

test('of any records there is a first one, and no circle', () => {
  const places: Place[] = [1, 2].flatMap((timeMs) => [
    { timeMs },
    ...[1, 2].flatMap((place) => [0, 1].map((index) => ({ timeMs, lsn: place, index }))),
  ])
  const records = places.map(at)
  // Listed in their order.
  for (const [index, left] of records.entries()) {
    for (const [other, right] of records.entries()) {
      expect(comesBefore(left, right)).toBe(index < other)
    }
  }
})
