import { expect, test } from 'vitest'
import { BatchSize } from './batch-size.ts'

const size = () => new BatchSize({ recordsMax: 100, fetchBytesMax: 1_000 })

test('batches and fetches are larger while more than ten batches are left', () => {
  const subject = size()
  subject.fetched(1_000)
  expect([subject.recordsMax, subject.fetchBytesMax]).toEqual([100, 1_000])
  subject.fetched(1_001)
  expect([subject.recordsMax, subject.fetchBytesMax]).toEqual([400, 4_000])
  subject.fetched(0)
  expect([subject.recordsMax, subject.fetchBytesMax]).toEqual([100, 1_000])
})

test('a batch that loses again and again is halved down to one record, until one commits', () => {
  const subject = size()
  subject.halve()
  expect(subject.recordsMax).toBe(50)
  for (let count = 0; count < 2_000; count += 1) subject.halve()
  expect([subject.recordsMax, subject.fetchBytesMax]).toEqual([1, 1_000])
  subject.committed({ tookMs: 1 })
  expect(subject.recordsMax).toBe(100)
})

test('of a batch that was smaller than it might have been, half of what it had is left', () => {
  const subject = size()
  subject.tried(30)
  subject.halve()
  expect(subject.recordsMax).toBe(13)
  subject.tried(13)
  subject.halve()
  expect(subject.recordsMax).toBe(7)
  subject.tried(1)
  subject.halve()
  expect(subject.recordsMax).toBe(1)
})

test('of a batch that went too far, half of the way is left, until it is of one record', () => {
  const subject = size()
  subject.tried(100)
  expect(subject.shorten()).toBe(true)
  expect(subject.recordsMax).toBe(50)
  subject.tried(2)
  expect(subject.shorten()).toBe(true)
  expect(subject.recordsMax).toBe(1)
  subject.tried(1)
  expect(subject.shorten()).toBe(false)
})

test.for([
  { projectionRecordsMax: 30, near: 30, far: 30 },
  { projectionRecordsMax: 150, near: 100, far: 150 },
  { projectionRecordsMax: 1_000, near: 100, far: 400 },
])('a projection that takes $projectionRecordsMax at most has $near, and $far far behind', (of) => {
  const { projectionRecordsMax } = of
  const subject = new BatchSize({ recordsMax: 100, projectionRecordsMax, fetchBytesMax: 1_000 })
  expect(subject.recordsMax).toBe(of.near)
  subject.fetched(1_001)
  expect([subject.recordsMax, subject.fetchBytesMax]).toEqual([of.far, 4_000])
  subject.halve()
  expect(subject.recordsMax).toBe(of.far / 2)
})

test('a batch that took long has fewer records the next time, and more once there is time for them', () => {
  const subject = size()
  subject.fetched(1_001)
  subject.tried(400)
  subject.committed({ tookMs: 16_000 })
  expect(subject.recordsMax).toBe(50)
  subject.tried(50)
  subject.committed({ tookMs: 1_500 })
  expect(subject.recordsMax).toBe(50)
  // It says nothing of larger ones.
  subject.tried(49)
  subject.committed({ tookMs: 1 })
  expect(subject.recordsMax).toBe(50)
  for (const recordsMax of [50, 100, 200]) {
    expect(subject.recordsMax).toBe(recordsMax)
    subject.tried(recordsMax)
    subject.committed({ tookMs: 900 })
  }
  expect(subject.recordsMax).toBe(400)
  subject.tried(1)
  subject.committed({ tookMs: 60_000 })
  expect(subject.recordsMax).toBe(1)
})
