import { expect, onTestFinished, test, vi } from 'vitest'
import { ProjectionAdminError, createProjectionAdmin } from './projection-admin.ts'

test.for([
  ['a moment that is no time', 'http://127.0.0.1:1', 'BAD_MOMENT'],
  ['an address that is none', 'projector:8084/', 'NETWORK'],
] as const)(
  '%s is an error of this library, which no other try would help',
  async ([, url, code]) => {
    const error: unknown = await createProjectionAdmin({ url })
      .rebuildUntil('loans', new Date(code === 'NETWORK' ? 0 : Number.NaN))
      .catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(ProjectionAdminError)
    expect(error).toMatchObject({ code, retryable: false })
  },
)

const away = { code: 'UNAVAILABLE', message: 'the database is away' }
const refused = new TypeError('fetch failed', { cause: new Error('connect ECONNREFUSED') })

/** An answer, or an error of the network, for one request after the other; the last one for all that follow. */
function adminOf(...answers: readonly (object | Error)[]) {
  vi.useFakeTimers()
  onTestFinished(() => void vi.useRealTimers())
  const fetch = vi.fn(async () => {
    const answer = answers[Math.min(fetch.mock.calls.length, answers.length) - 1]
    if (answer instanceof Error) throw answer
    return Response.json(answer, { status: answer === away ? 503 : 200 })
  })
  return createProjectionAdmin({ url: 'http://projector', fetch })
}

test('what was ordered is waited for while the projector is restarted', async () => {
  const result = { isEqual: true }
  const admin = adminOf({ jobId: '7' }, refused, away, { state: 'done', result })
  const verified = admin.verify('loans')
  await vi.advanceTimersByTimeAsync(1_000)
  expect(await verified).toEqual(result)

  const progress = { state: 'ready', phase: 'ready', code: null, reason: null, eta: null }
  const rebuild = await adminOf({ version: 2 }, refused, progress).rebuild('loans')
  const first = rebuild[Symbol.asyncIterator]().next()
  await vi.advanceTimersByTimeAsync(1_000)
  expect((await first).value).toEqual({ state: 'ready', phase: 'ready', eta: null })
})

test('a projector that is away for longer than a minute is told', async () => {
  const told = vi.fn()
  const verified = adminOf({ jobId: '7' }, refused).verify('loans').catch(told)
  await vi.advanceTimersByTimeAsync(59_000)
  expect(told).not.toHaveBeenCalled()
  await vi.advanceTimersByTimeAsync(2_000)
  await verified
  expect(told).toHaveBeenCalledWith(
    expect.objectContaining({ name: 'ProjectionAdminError', code: 'NETWORK', retryable: true }),
  )
})
