import type { ClusterAdmin } from '@fairlead/kafka'
import { expect, test } from 'vitest'
import { type ResetTarget, parseResetTarget, resolveTarget } from './reset-target.ts'

const NOW_MS = 1_700_000_000_000

test.for([
  [{ 'to-earliest': true }, { kind: 'earliest' }],
  [{ 'to-offset': '7' }, { kind: 'offset', offset: 7 }],
  [{ 'shift-by': '-3' }, { kind: 'shift', count: -3 }],
  [{ 'to-datetime': '2023-11-14T22:13:20Z' }, { kind: 'timestamp', timestampMs: NOW_MS }],
  [{ 'by-duration': '15m' }, { kind: 'timestamp', timestampMs: NOW_MS - 900_000 }],
] as const)('%o', ([options, target]) => {
  expect(parseResetTarget(options, NOW_MS)).toEqual(target)
})

test.for([
  [{}, 'exactly one of'],
  [{ 'to-earliest': true, 'to-latest': true }, 'exactly one of'],
  [{ 'to-offset': '-1' }, '--to-offset is an integer'],
  [{ 'to-datetime': 'noon' }, '--to-datetime is a time'],
  [{ 'by-duration': '1 week' }, 'a duration is'],
] as const)('%o is refused', ([options, message]) => {
  expect(() => parseResetTarget(options, NOW_MS)).toThrow(message)
})

/** A partition with the offsets 10 to 99, one record per millisecond from 1,000 on. */
const admin = {
  listOffsets: ({ timestamp }: { readonly timestamp: unknown }) => {
    if (timestamp === 'earliest') return Promise.resolve(10)
    if (timestamp === 'latest') return Promise.resolve(100)
    const found = Number(timestamp) - 1_000
    return Promise.resolve(found >= 100 ? -1 : Math.max(10, found))
  },
} as unknown as ClusterAdmin

const COMMITTED = { topic: 't', partition: 0, offset: 50, metadata: '' }

test.for([
  [{ kind: 'earliest' }, 10],
  [{ kind: 'latest' }, 100],
  [{ kind: 'current' }, 50],
  [{ kind: 'offset', offset: 3 }, 10],
  [{ kind: 'offset', offset: 3_000 }, 100],
  [{ kind: 'shift', count: -5 }, 45],
  [{ kind: 'shift', count: -500 }, 10],
  [{ kind: 'timestamp', timestampMs: 1_060 }, 60],
  [{ kind: 'timestamp', timestampMs: 9_999 }, 100],
] as const satisfies readonly (readonly [ResetTarget, number])[])(
  '%o leads to offset %d',
  async ([target, expected]) => {
    const partition = { topic: 't', partition: 0 }
    expect(await resolveTarget(admin, partition, target, COMMITTED)).toBe(expected)
  },
)

test('a partition without an offset counts from the end', async () => {
  const partition = { topic: 't', partition: 0 }
  expect(await resolveTarget(admin, partition, { kind: 'shift', count: -5 }, undefined)).toBe(95)
})
