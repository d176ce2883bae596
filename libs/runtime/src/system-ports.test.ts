import { crc32c } from '@fairlead/protocol'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { nativeCrc32c, systemClock, systemRandom, systemTimers } from './index.ts'

test('the native CRC32C equals the one in JavaScript', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
      expect(nativeCrc32c(bytes)).toBe(crc32c(bytes))
    }),
  )
  const checkInput = new TextEncoder().encode('123456789')
  expect(nativeCrc32c(checkInput)).toBe(0xe3069283)
})

test('a timer calls back once its delay is over', async () => {
  const startMs = systemClock.nowMs()
  await new Promise<void>((resolve) => systemTimers.after(20, resolve))
  // Timers count whole milliseconds, the clock their fractions.
  expect(systemClock.nowMs() - startMs).toBeGreaterThanOrEqual(19)
})

test('a cancelled timer does not call back', async () => {
  const called: string[] = []
  const cancel = systemTimers.after(1, () => called.push('cancelled'))
  cancel()
  await new Promise<void>((resolve) => systemTimers.after(5, resolve))
  expect(called).toEqual([])
})

test('a delay that setTimeout cannot hold does not fire at once', async () => {
  const called: string[] = []
  const cancel = systemTimers.after(2 ** 40, () => called.push('fired'))
  await new Promise<void>((resolve) => systemTimers.after(5, resolve))
  expect(called).toEqual([])
  cancel()
})

test('random integers stay below their bound', () => {
  const drawn = Array.from({ length: 100 }, () => systemRandom.int(3))
  expect(drawn.every((value) => value >= 0 && value < 3)).toBe(true)
  expect(systemRandom.bytes(16)).toHaveLength(16)
})
