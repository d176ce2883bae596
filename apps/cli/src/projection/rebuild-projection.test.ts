import { expect, test } from 'vitest'
import { runAgainst } from '../command/run-against.test-fixture.ts'
import { REBUILD_PROJECTION } from './rebuild-projection.ts'

test('a promotion is not promised by who does not wait for the rebuild', async () => {
  const started = () => ({ body: { jobId: '1', version: 2 } })
  const run = await runAgainst(started, REBUILD_PROJECTION, 'orders', '--promote', '--no-wait')
  expect(run).toMatchObject({ exitCode: 2, requests: [] })
  expect(run.stderr).toMatch(/leave --no-wait out/)
})
