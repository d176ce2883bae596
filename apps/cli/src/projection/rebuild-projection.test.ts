import { expect, test } from 'vitest'
import { runAgainst } from '../command/run-against.test-fixture.ts'
import { REBUILD_PROJECTION } from './rebuild-projection.ts'

test('a promotion is not promised by who does not wait for the rebuild', async () => {
  const started = () => ({ body: { jobId: '1', version: 2 } })
  const run = await runAgainst(started, REBUILD_PROJECTION, 'orders', '--promote', '--no-wait')
  expect(run).toMatchObject({ exitCode: 2, requests: [] })
  expect(run.stderr).toMatch(/leave --no-wait out/)
})

test.for([
  [{ keys: 2, rows: 2 }, 'the rows are folded anew'],
  [{ keys: 1, rows: 0 }, 'the key has no row: no event in the log leaves one'],
  [{ keys: 3, rows: 1 }, '2 of 3 keys have no row: no event in the log leaves one'],
] as const)('of %o rows that were folded anew it tells which there are', async ([result, text]) => {
  const done = { state: 'done', phase: null, done: 9, total: 9, eventsPerSecond: 0, parked: 0 }
  const answer = (request: string) => ({
    body: request.startsWith('POST')
      ? { jobId: '7', version: 1 }
      : { ...done, eta: null, reason: null, result },
  })
  const run = await runAgainst(answer, REBUILD_PROJECTION, 'orders', '--key', 'o1')
  expect([run.exitCode, run.stdout.trimEnd().split('\n').at(-1)]).toEqual([0, text])
})
