import fc from 'fast-check'
import { expect, test } from 'vitest'
import { DeadlineQueue } from './deadline-queue.ts'

test('every group comes up once, not before its earliest deadline, in order', () => {
  const deadlines = fc.array(fc.tuple(fc.nat(20), fc.nat(1000)), { maxLength: 200 })
  fc.assert(
    fc.property(deadlines, (scheduled) => {
      const queue = new DeadlineQueue()
      const earliest = new Map<string, number>()
      for (const [group, deadlineMs] of scheduled) {
        const groupId = `g${group}`
        queue.schedule(groupId, deadlineMs)
        earliest.set(groupId, Math.min(earliest.get(groupId) ?? Infinity, deadlineMs))
      }
      for (let nowMs = 0; nowMs <= 1000; nowMs += 50) {
        for (let id = queue.takeDue(nowMs); id !== undefined; id = queue.takeDue(nowMs)) {
          expect(earliest.get(id)).toBeLessThanOrEqual(nowMs)
          expect(earliest.delete(id)).toBe(true)
        }
        for (const deadlineMs of earliest.values()) expect(deadlineMs).toBeGreaterThan(nowMs)
      }
      expect(queue.nextMs).toBeUndefined()
    }),
  )
})

test('a deadline that keeps moving to earlier does not make the queue grow', () => {
  const queue = new DeadlineQueue()
  for (let deadlineMs = 1_000_000; deadlineMs > 0; deadlineMs -= 1) queue.schedule('g', deadlineMs)
  expect(queue.takeDue(1)).toBe('g')
  expect(queue.takeDue(2_000_000)).toBeUndefined()
})
