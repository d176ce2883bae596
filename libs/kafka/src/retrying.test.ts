import { expect, test } from 'vitest'
import { KafkaError } from './kafka-error.ts'
import { retrying } from './retrying.ts'

const failure = (code: string, retryable: boolean) => new KafkaError(code, { code, retryable })

test('a failure that is worth it is tried again', async () => {
  let attemptCount = 0
  const result = retrying({ what: 'test', timeoutMs: 5_000 }, async () => {
    attemptCount += 1
    if (attemptCount === 1) throw failure('NETWORK', true)
    return 'done'
  })
  await expect(result).resolves.toBe('done')
})

test('a failure for good ends it at once', async () => {
  let attemptCount = 0
  const result = retrying({ what: 'test', timeoutMs: 5_000 }, async () => {
    attemptCount += 1
    throw failure('OFFSET_OUT_OF_RANGE', false)
  })
  await expect(result).rejects.toMatchObject({ code: 'OFFSET_OUT_OF_RANGE', retryable: false })
  expect(attemptCount).toBe(1)
})

test('when the time is over, the last failure says why', async () => {
  const result = retrying({ what: 'test', timeoutMs: 120 }, async () => {
    throw failure('NOT_COORDINATOR', true)
  })
  await expect(result).rejects.toMatchObject({ code: 'NOT_COORDINATOR', retryable: true })
})

test('a signal ends the wait between attempts', async () => {
  const abort = new AbortController()
  const result = retrying({ what: 'test', timeoutMs: 60_000, signal: abort.signal }, async () => {
    abort.abort()
    throw failure('NETWORK', true)
  })
  await expect(result).rejects.toMatchObject({ code: 'ABORTED' })
})
