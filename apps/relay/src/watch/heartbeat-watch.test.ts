import { lsn } from '@fairlead/base'
import { expect, test } from 'vitest'
import { HeartbeatWatch, type LogProgress } from './heartbeat-watch.ts'

const TIMEOUT_MS = 1_000

function progress(messageCount: number, received = 0n): LogProgress {
  return { messageCount, receivedLsn: lsn(received) }
}

function watchWithHeartbeat(): HeartbeatWatch {
  const watch = new HeartbeatWatch({ timeoutMs: TIMEOUT_MS })
  expect(watch.begins('a', 5_000)).toBe(true)
  return watch
}

test('a heartbeat that comes back tells how long it took, once', () => {
  const watch = watchWithHeartbeat()
  expect(watch.seen('of another relay', 5_001)).toBeUndefined()
  expect(watch.seen('a', 5_030)).toEqual({ roundTripMs: 30 })
  expect(watch.seen('a', 5_031)).toBeUndefined()
  expect(watch.problem(progress(1), 9_000)).toBeUndefined()
})

test('one that does not come back is a problem once the time is over, and no other one is written', () => {
  const watch = watchWithHeartbeat()
  expect(watch.problem(progress(0), 5_999)).toBeUndefined()
  expect(watch.begins('b', 5_999)).toBe(false)
  expect(watch.problem(progress(0), 8_000)).toContain('written 3 s ago has not come back')
  expect(watch.seen('a', 8_001)).toEqual({ roundTripMs: 3_001 })
  expect(watch.problem(progress(0), 8_002)).toBeUndefined()
})

test('a log that brings something else has a backlog, and no problem, until it stands still', () => {
  const watch = watchWithHeartbeat()
  expect(watch.problem(progress(10), 6_500)).toBeUndefined()
  expect(watch.problem(progress(20), 7_400)).toBeUndefined()
  expect(watch.problem(progress(20), 8_399)).toBeUndefined()
  expect(watch.problem(progress(20), 8_400)).toContain('nothing else does')
})

test('so has a log that brings nothing, and of which the server reads on', () => {
  const watch = watchWithHeartbeat()
  expect(watch.problem(progress(0, 10n), 6_500)).toBeUndefined()
  expect(watch.problem(progress(0, 20n), 7_400)).toBeUndefined()
  expect(watch.problem(progress(0, 30n), 8_300)).toBeUndefined()
  expect(watch.problem(progress(0, 30n), 9_300)).toContain('nothing else does')
})

test('one that cannot be written is tried again, and is a problem in the end, whatever the log brings', () => {
  const watch = watchWithHeartbeat()
  watch.failed('a', 'read-only')
  expect(watch.problem(progress(1), 5_500)).toBeUndefined()
  expect(watch.begins('b', 5_600)).toBe(true)
  // While the second one is on its way.
  expect(watch.problem(progress(2), 6_000)).toBe('no heartbeat could be written for 1 s: read-only')
  watch.failed('b', 'still read-only')
  watch.failed('a', 'late')
  expect(watch.problem(progress(2), 6_001)).toContain('still read-only')
  expect(watch.begins('c', 6_100)).toBe(true)
  watch.written('c')
  watch.written('a')
  expect(watch.seen('c', 6_200)).toEqual({ roundTripMs: 100 })
  expect(watch.problem(progress(3), 6_300)).toBeUndefined()
})
