import { EVENT_HEADERS } from '@fairlead/base'
import { expect, test } from 'vitest'
import { SeenIds, idTimeMs, messageIdOf } from './message-id.ts'
import { sampleRecord } from './sample-projection.test-fixture.ts'

function recordWith(id: string | undefined, offset: number, tenant = '') {
  const sample = sampleRecord({ type: 'Deposited', key: 'a', amount: 1 }, offset, offset)
  const value = id === undefined ? null : new TextEncoder().encode(id)
  const headers = [[EVENT_HEADERS.id, value]] as const
  return { ...sample, tenant, record: { ...sample.record, headers } }
}

test.for([
  { id: '019b76da-a800-7abc-8def-0123456789ab', time: '2026-01-01T00:00:00.000Z' },
  { id: '019B76DA-A800-7ABC-ADEF-0123456789AB', time: '2026-01-01T00:00:00.000Z' },
  { id: '019b76da-a800-4abc-8def-0123456789ab', time: null },
  { id: '019b76da-a800-7abc-0def-0123456789ab', time: null },
  { id: 'order 5', time: null },
])('the time in the id "$id" is $time', ({ id, time }) => {
  const ms = idTimeMs(id)
  expect(ms === null ? null : new Date(ms).toISOString()).toBe(time)
})

test('a header without a value is no id', () => {
  expect(messageIdOf(recordWith(undefined, 0).record)).toBeNull()
  expect(messageIdOf(recordWith('', 0).record)).toBeNull()
  expect(messageIdOf(recordWith('x', 0).record)).toBe('x')
})

test('a record repeats another one that has its id, and not itself', () => {
  const seen = new SeenIds()
  expect(seen.isRepeat(recordWith('x', 5))).toBe(false)
  expect(seen.isRepeat(recordWith('x', 5))).toBe(false)
  expect(seen.isRepeat(recordWith('x', 6))).toBe(true)
  expect(seen.isRepeat(recordWith('y', 6))).toBe(false)
})

test('ids of two tenants are two, and a record without one repeats nothing', () => {
  const seen = new SeenIds()
  expect(seen.isRepeat(recordWith('x', 0, 'red'))).toBe(false)
  expect(seen.isRepeat(recordWith('x', 1, 'blue'))).toBe(false)
  expect(seen.isRepeat(recordWith('x', 2, 'red'))).toBe(true)
  expect(seen.isRepeat(recordWith(undefined, 3))).toBe(false)
  expect(seen.isRepeat(recordWith(undefined, 4))).toBe(false)
})
