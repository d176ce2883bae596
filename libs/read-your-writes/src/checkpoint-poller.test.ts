import { setTimeout as sleep } from 'node:timers/promises'
import {
  type CompiledQuery,
  type DatabaseConnection,
  type Driver,
  DummyDriver,
  Kysely,
  PostgresAdapter,
  PostgresQueryCompiler,
} from 'kysely'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { CheckpointPoller } from './checkpoint-poller.ts'

vi.mock('node:timers/promises', () => ({ setTimeout: vi.fn() }))

let over: AbortController

beforeEach(() => {
  vi.mocked(sleep).mockReset()
  over = new AbortController()
})

afterEach(() => over.abort())

function pollerOn(driver: Driver): CheckpointPoller {
  const db = new Kysely<unknown>({
    dialect: {
      createAdapter: () => new PostgresAdapter(),
      createDriver: () => driver,
      createIntrospector: () => expect.unreachable(),
      createQueryCompiler: () => new PostgresQueryCompiler(),
    },
  })
  return new CheckpointPoller(db, { waitersMax: 10 })
}

/** Answers looks when it is told to, with one partition of each projection that is asked for. */
class HeldDriver extends DummyDriver {
  readonly #looks: { readonly names: readonly string[]; readonly answer: () => void }[] = []

  override acquireConnection(): Promise<DatabaseConnection> {
    return Promise.resolve({
      executeQuery: async ({ parameters: [names] }: CompiledQuery) => {
        const { promise, resolve } = Promise.withResolvers<void>()
        this.#looks.push({ names: names as readonly string[], answer: resolve })
        await promise
        const at = { topic: 't', partition: 0, partitionCount: 1 }
        const nothing = { lsn: null, transactions: [], eventCounts: {} }
        const rows = (names as readonly string[]).map((projection) => {
          return { projection, ...at, ...nothing }
        })
        return { rows: rows as never[] }
      },
      streamQuery: () => expect.unreachable(),
    })
  }

  get lookCount(): number {
    return this.#looks.length
  }

  /** Names of the projections that the next look is for, which has its answer then. */
  async answerNext(): Promise<readonly string[]> {
    await vi.waitUntil(() => this.lookCount > 0, { timeout: 60_000 })
    const { names = [], answer } = this.#looks.shift() ?? {}
    answer?.()
    return names
  }
}

test('who comes while others are looked for has an answer of the next look', async () => {
  vi.mocked(sleep).mockImplementation((timeoutMs = 0, value) =>
    timeoutMs <= 50 ? Promise.resolve(value as never) : new Promise(() => undefined),
  )
  const driver = new HeldDriver()
  const poller = pollerOn(driver)
  void poller.wait({ projection: 'orders', isSatisfied: () => false }, over.signal)
  await vi.waitUntil(() => driver.lookCount === 1, { timeout: 60_000 })
  const answers: unknown[] = []
  const isSatisfied = (applied: unknown): boolean => answers.push(applied) > 0
  const seen = poller.wait({ projection: 'stock', isSatisfied }, over.signal)
  expect(await driver.answerNext()).toEqual(['orders'])
  expect(await driver.answerNext()).toEqual(['orders', 'stock'])
  await seen
  expect(answers).toEqual([[expect.objectContaining({ projection: 'stock' })]])
})

test('who comes in a long pause does not wait for its end', async () => {
  const poller = pollerOn(new DummyDriver())
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
  await vi.waitFor(() => expect(isPausing()).toBe(true), { timeout: 60_000 })
  await poller.wait({ projection: 'orders', isSatisfied: () => true }, over.signal)
})
