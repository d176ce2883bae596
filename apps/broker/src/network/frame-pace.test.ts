import { expect, test } from 'vitest'
import {
  CONTENDED_FRAME_GRACE_MS,
  CONTENDED_FRAME_MS,
  FRAME_BYTES_PER_SECOND_MIN,
  FRAME_GRACE_MS,
} from '../limits.ts'
import { FramePace } from './frame-pace.ts'

const DECLARED_BYTES = 100 * FRAME_BYTES_PER_SECOND_MIN

function isTooSlow(pace: FramePace, receivedBytes: number, nowMs: number, isContended = false) {
  return pace.isTooSlow({ receivedBytes, declaredBytes: DECLARED_BYTES }, { nowMs, isContended })
}

test('a frame has its grace, and then must have come at the least rate', () => {
  const pace = new FramePace()
  pace.update(true, 1_000)
  expect(isTooSlow(pace, 1, 1_000 + FRAME_GRACE_MS)).toBe(false)
  expect(isTooSlow(pace, 1, 1_001 + FRAME_GRACE_MS)).toBe(true)
  const tenSeconds = 10 * FRAME_BYTES_PER_SECOND_MIN
  expect(isTooSlow(pace, tenSeconds, 11_000 + FRAME_GRACE_MS)).toBe(false)
  expect(isTooSlow(pace, tenSeconds, 11_001 + FRAME_GRACE_MS)).toBe(true)
})

test('more of the same frame does not begin it anew, the next one does', () => {
  const pace = new FramePace()
  pace.update(true, 0)
  pace.update(true, FRAME_GRACE_MS)
  expect(isTooSlow(pace, 0, FRAME_GRACE_MS + 1)).toBe(true)
  pace.update(false, FRAME_GRACE_MS)
  expect(isTooSlow(pace, 0, FRAME_GRACE_MS * 3)).toBe(false)
  pace.update(true, FRAME_GRACE_MS * 3)
  expect(isTooSlow(pace, 0, FRAME_GRACE_MS * 4)).toBe(false)
})

test('the time in which we do not read does not count', () => {
  const pace = new FramePace()
  pace.update(true, 0)
  pace.pause(10)
  expect(isTooSlow(pace, 0, FRAME_GRACE_MS * 9)).toBe(false)
  pace.resume(FRAME_GRACE_MS * 9)
  expect(isTooSlow(pace, 0, FRAME_GRACE_MS * 10 - 10)).toBe(false)
  expect(isTooSlow(pace, 0, FRAME_GRACE_MS * 10 - 9)).toBe(true)
})

test('while others wait for its memory, a frame must come in a minute, in proportion', () => {
  const pace = new FramePace()
  pace.update(true, 0)
  expect(isTooSlow(pace, 0, CONTENDED_FRAME_GRACE_MS, true)).toBe(false)
  expect(isTooSlow(pace, 0, CONTENDED_FRAME_GRACE_MS + 1, true)).toBe(true)
  const half = DECLARED_BYTES / 2
  const deadlineMs = CONTENDED_FRAME_GRACE_MS + CONTENDED_FRAME_MS / 2
  expect(isTooSlow(pace, half, deadlineMs, true)).toBe(false)
  expect(isTooSlow(pace, half, deadlineMs + 1, true)).toBe(true)
  expect(isTooSlow(pace, half, deadlineMs + 1, false)).toBe(false)
})
