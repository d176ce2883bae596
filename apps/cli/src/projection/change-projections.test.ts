import { afterEach, expect, test, vi } from 'vitest'
import { runCommand } from '../command/run-command.ts'
import { PROMOTE_PROJECTION } from './change-projections.ts'

afterEach(() => {
  vi.restoreAllMocks()
})

/** Carries a command line out against a projector that answers every request with `body`. */
async function run(argv: readonly string[], body: object) {
  const timeouts = vi.spyOn(AbortSignal, 'timeout')
  vi.spyOn(globalThis, 'fetch').mockResolvedValue(Response.json(body))
  const printed: string[] = []
  const exitCode = await runCommand([PROMOTE_PROJECTION], argv, {
    stdout: (text) => void printed.push(text),
    stderr: (text) => void printed.push(text),
    isWatched: false,
    ask: undefined,
    env: {},
    signal: new AbortController().signal,
  })
  return { exitCode, printed: printed.join(''), timeoutMs: timeouts.mock.calls[0]?.[0] }
}

const PROMOTED = { live: 2, previous: 1, effectsPending: 0, durationMs: 3, attempts: 1 }
const PROMOTE = ['projection', 'promote', 'orders', '--version', '2']

test('a promotion is waited for until the projector has given up', async () => {
  const { exitCode, printed, timeoutMs } = await run(
    [...PROMOTE, '--lock-timeout', '25000'],
    PROMOTED,
  )
  expect([exitCode, printed]).toEqual([0, 'v2 is live, after v1 (3 ms)\n'])
  const attemptMaxMs = 5_000 + 2_000 + 500
  expect(timeoutMs).toBeGreaterThan(25_000 + attemptMaxMs)
})

test('a promotion says which side effects are left to the version before', async () => {
  const { printed } = await run(PROMOTE, { ...PROMOTED, effectsPending: 12 })
  expect(printed).toMatch(/side effects of 12 records are still v1's: keep it running/)
})
