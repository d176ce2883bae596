import { expect, test } from 'vitest'
import { isGivenPromise } from './given-promise.ts'

test('a promise that was given is told, and may fail later without ending the process', async () => {
  const unhandled: unknown[] = []
  const onUnhandled = (error: unknown): void => void unhandled.push(error)
  process.on('unhandledRejection', onUnhandled)
  expect(isGivenPromise(Promise.reject(new Error('away')))).toBe(true)
  expect([undefined, null, 7, {}].map(isGivenPromise)).not.toContain(true)
  // Behind what Node does once all that is ready has run.
  await new Promise((resolve) => setImmediate(resolve))
  process.off('unhandledRejection', onUnhandled)
  expect(unhandled).toEqual([])
})
