import { expect, test } from 'vitest'
import { runAgainst } from '../command/run-against.test-fixture.ts'
import { ABORT_REBUILD, PROMOTE_PROJECTION, RETIRE_PROJECTION } from './change-projections.ts'

const PROMOTED = {
  live: 2,
  previous: 1,
  effectsPending: 0,
  viewsHeld: 0,
  durationMs: 3,
  attempts: 1,
}

const promote = (answer: object, ...argv: readonly string[]) =>
  runAgainst(() => ({ body: answer }), PROMOTE_PROJECTION, 'orders', '--version', '2', ...argv)

test('a promotion is waited for until the projector has given up', async () => {
  const { exitCode, stdout, timeoutMs } = await promote(PROMOTED, '--lock-timeout', '25000')
  expect([exitCode, stdout]).toEqual([0, 'v2 is live, after v1 (3 ms)\n'])
  const attemptMaxMs = 5_000 + 2_000 + 500 + 5_000
  expect(timeoutMs).toBeGreaterThan(25_000 + attemptMaxMs)
})

test('there is no version 0, which no projector is asked for', async () => {
  const argv = ['orders', '--version', '0'] as const
  const run = await runAgainst(() => ({ body: PROMOTED }), PROMOTE_PROJECTION, ...argv)
  const { exitCode, stderr, requests } = run
  expect([exitCode, requests]).toEqual([2, []])
  expect(stderr).toMatch(/--version counts from 1/)
})

test('a promotion says which side effects are left to the version before', async () => {
  const { stdout } = await promote({ ...PROMOTED, effectsPending: 12 })
  expect(stdout).toMatch(/side effects of 12 records are still v1's: keep it running/)
})

test('a promotion says when views of tenants could not be had', async () => {
  const { stdout } = await promote({ ...PROMOTED, viewsHeld: 3 })
  expect(stdout).toMatch(/3 views of tenants are held by others/)
})

test('a promotion that compares rows first is one order, with what it accepts', async () => {
  const found = { comparedKeys: 1, rowCount: 1, liveRowCount: null, logKeyCount: 1, failingKeys: 0 }
  const differing = { missing: [], surplus: [], different: ['a'], isEqual: false, promoted: null }
  const progress = { phase: null, done: 0, total: 0, eventsPerSecond: 0, eta: null, parked: 0 }
  const answer = (request: string) => ({
    body: request.startsWith('POST')
      ? { jobId: '8', version: 2 }
      : {
          ...progress,
          state: 'done',
          code: null,
          reason: null,
          result: { ...found, ...differing },
        },
  })
  const argv = ['--version', '2', '--verify', '--accept-parked'] as const
  const run = await runAgainst(answer, PROMOTE_PROJECTION, 'orders', ...argv, '-o', 'json')
  expect(run.requests).toEqual([
    'POST /projections/orders/promote?version=2&verify=true&acceptParked=true',
    'GET /projection-jobs/8',
  ])
  expect([run.exitCode, JSON.parse(run.stdout)]).toMatchObject([
    10,
    { verification: { different: ['a'] } },
  ])
})

test('a rebuild is aborted once somebody says so, in the name of who does', async () => {
  const argv = ['orders', '--version', '2', '--actor', 'ana'] as const
  const answer = () => ({ body: { aborted: 2 } })
  expect(await runAgainst(answer, ABORT_REBUILD, ...argv)).toMatchObject({
    exitCode: 2,
    requests: [],
  })
  expect(await runAgainst(answer, ABORT_REBUILD, ...argv, '--yes')).toMatchObject({
    exitCode: 0,
    requests: ['POST /projections/orders/abort?version=2&by=ana'],
    stdout: 'the rebuild of orders v2 is aborted\n',
  })
})

test('a retirement says whose tables others hold', async () => {
  const argv = ['orders', '--version', '2', '--yes'] as const
  const retire = (tenantsLeft: number) =>
    runAgainst(() => ({ body: { retired: 2, tenantsLeft } }), RETIRE_PROJECTION, ...argv)
  expect((await retire(0)).stdout).toBe('orders v2 is retired\n')
  const { exitCode, stdout } = await retire(3)
  expect([exitCode, stdout]).toEqual([
    0,
    'orders v2 is retired\ntables of 3 tenants are held by others: they go by themselves once they are free\n',
  ])
})
