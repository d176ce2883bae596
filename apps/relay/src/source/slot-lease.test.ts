import { expect, test } from 'vitest'
import { SlotLease } from './slot-lease.ts'

const TIMEOUT_MS = 10_000

test('a slot is ours while the loop runs and Postgres is heard', () => {
  const lease = new SlotLease(TIMEOUT_MS, 0)
  for (let nowMs = 0; nowMs < 60_000; nowMs += lease.tickIntervalMs) {
    lease.tick(nowMs)
    lease.heard(nowMs)
    expect(lease.isOurs(nowMs)).toBe(true)
  }
})

test('a process that was stopped does not believe what it hears afterwards', () => {
  const lease = new SlotLease(TIMEOUT_MS, 0)
  lease.heard(30_000)
  expect(lease.isOurs(30_000)).toBe(false)
  lease.heard(30_001)
  expect(lease.isOurs(30_001)).toBe(false)
})

test('silence of Postgres ends the right to send, and its voice brings it back', () => {
  const lease = new SlotLease(TIMEOUT_MS, 0)
  for (let nowMs = 0; nowMs <= 6_000; nowMs += lease.tickIntervalMs) lease.tick(nowMs)
  expect(lease.isOurs(6_000)).toBe(false)
  lease.heard(6_001)
  expect(lease.isOurs(6_001)).toBe(true)
})

test('a slot whose connection is gone is not ours', () => {
  const lease = new SlotLease(TIMEOUT_MS, 0)
  lease.end()
  lease.heard(1)
  expect(lease.isOurs(1)).toBe(false)
})
