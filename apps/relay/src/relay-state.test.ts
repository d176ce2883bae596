import { expect, test } from 'vitest'
import { type SessionEnd, afterSession, readiness } from './relay-state.ts'

const RANDOM = { int: (bound: number) => bound - 1, bytes: () => new Uint8Array() }
const reason = 'a reason'

test.for<{ end: SessionEnd; state: string; firstMs: number; laterMs: number }>([
  { end: { kind: 'slot-in-use', reason }, state: 'standby', firstMs: 250, laterMs: 250 },
  { end: { kind: 'backpressure', reason }, state: 'backpressure', firstMs: 500, laterMs: 10_000 },
  {
    end: { kind: 'sink-failed', code: 'NETWORK', reason },
    state: 'backpressure',
    firstMs: 500,
    laterMs: 10_000,
  },
  {
    end: { kind: 'source-lost', code: '57P01', reason },
    state: 'reconnecting',
    firstMs: 100,
    laterMs: 10_000,
  },
  {
    end: { kind: 'source-lost', code: '28P01', reason },
    state: 'reconnecting',
    firstMs: 2_000,
    laterMs: 30_000,
  },
  {
    end: { kind: 'source-lost', code: 'CERT_HAS_EXPIRED', reason },
    state: 'reconnecting',
    firstMs: 2_000,
    laterMs: 30_000,
  },
  {
    end: { kind: 'halted', code: 'SLOT_LOST', reason },
    state: 'halted',
    firstMs: 10_000,
    laterMs: 10_000,
  },
])('after $end.kind the relay is $state and tries again', ({ end, state, firstMs, laterMs }) => {
  expect(afterSession(end, 1, RANDOM)).toEqual({ kind: 'retry', state, delayMs: firstMs })
  expect(afterSession(end, 20, RANDOM)).toEqual({ kind: 'retry', state, delayMs: laterMs })
})

test('a relay that was asked to stop stops', () => {
  expect(afterSession({ kind: 'stopped' }, 1, RANDOM)).toEqual({ kind: 'stop' })
})

test('a relay that has nothing left to do rests', () => {
  const end: SessionEnd = { kind: 'completed', reason }
  expect(afterSession(end, 1, RANDOM)).toEqual({ kind: 'rest', state: 'completed' })
})

test('a relay is ready when it streams, stands by or is done', () => {
  expect(readiness('streaming', '')).toBe(true)
  expect(readiness('standby', reason)).toBe(true)
  expect(readiness('completed', reason)).toBe(true)
  expect(readiness('halted', reason)).toBe('halted: a reason')
})
