import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { withinSession } from './within-session.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

const never = (): Promise<never> => new Promise(() => undefined)

test('what ends is given back, and nothing is left behind', async () => {
  const probe = vi.fn<() => Promise<unknown>>()
  const options = { probe, what: 'a handler' }
  await expect(withinSession(() => Promise.resolve(7), options)).resolves.toBe(7)
  const thrown = new RangeError('no such account')
  await expect(withinSession(() => Promise.reject(thrown), options)).rejects.toBe(thrown)
  expect(vi.getTimerCount()).toBe(0)
  expect(probe).not.toHaveBeenCalled()
})

test('what is long at work has all the time that it takes', async () => {
  const work = Promise.withResolvers<string>()
  const probe = vi.fn(() => Promise.resolve())
  const result = withinSession(() => work.promise, { probe, what: 'a handler' })
  await vi.advanceTimersByTimeAsync(120_000)
  expect(probe.mock.calls.length).toBeGreaterThan(5)
  work.resolve('done')
  await expect(result).resolves.toBe('done')
})

test.for([
  ['25P02', 'current transaction is aborted, commands ignored until end of transaction block'],
  ['57014', 'canceling statement due to user request'],
] as const)('a session that refuses the probe with %s is there', async ([code, message]) => {
  const work = Promise.withResolvers<string>()
  const refused = Object.assign(new Error(message), { code })
  const probe = vi.fn(() => Promise.reject(refused))
  const result = withinSession(() => work.promise, { probe, what: 'a handler' })
  await vi.advanceTimersByTimeAsync(20_000)
  expect(probe).toHaveBeenCalled()
  work.resolve('undone, and done again')
  await expect(result).resolves.toBe('undone, and done again')
})

test('what waits while its session is ended fails as something that is away', async () => {
  const gone = new Error('Client has encountered a connection error and is not queryable')
  const options = { probe: () => Promise.reject(gone), what: 'a handler of totals' }
  const failed = withinSession(never, options).catch((error: unknown) => error)
  await vi.advanceTimersByTimeAsync(20_000)
  expect(await failed).toMatchObject({
    code: 'ETIMEDOUT',
    message: expect.stringMatching(
      /^a handler of totals waited for something else .*, or this process stood still/,
    ),
    cause: gone,
  })
  expect(vi.getTimerCount()).toBe(0)
})
