import { setTimeout as sleep } from 'node:timers/promises'
import { DummyDriver, Kysely, PostgresAdapter, PostgresQueryCompiler } from 'kysely'
import { expect, test, vi } from 'vitest'
import { CheckpointPoller } from './checkpoint-poller.ts'

vi.mock('node:timers/promises', () => ({ setTimeout: vi.fn() }))

test('who comes in a long pause does not wait for its end', async () => {
  const db = new Kysely<unknown>({
    dialect: {
      createAdapter: () => new PostgresAdapter(),
      createDriver: () => new DummyDriver(),
      createIntrospector: () => expect.unreachable(),
      createQueryCompiler: () => new PostgresQueryCompiler(),
    },
  })
  const poller = new CheckpointPoller(db, { waitersMax: 10 })
  const over = new AbortController()
  // Every pause but the shortest is without end, unless somebody ends it.
  vi.mocked(sleep).mockImplementation((timeoutMs = 0, value, options) => {
    const { promise, resolve, reject } = Promise.withResolvers<never>()
    if (timeoutMs <= 2) resolve(value as never)
    options?.signal?.addEventListener('abort', () => reject(new Error('ended')))
    return promise
  })
  void poller.wait({ projection: 'orders', isSatisfied: () => false }, over.signal)
  const isLong = (timeoutMs = 0) => timeoutMs > 2 && timeoutMs <= 50
  const isPausing = () => isLong(vi.mocked(sleep).mock.lastCall?.[0])
  await vi.waitFor(() => expect(isPausing()).toBe(true), { timeout: 10_000 })
  await poller.wait({ projection: 'orders', isSatisfied: () => true }, over.signal)
  over.abort()
})
