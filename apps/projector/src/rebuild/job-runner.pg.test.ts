import { OperationalError } from '@fairlead/base'
import type { Projection } from '@fairlead/projection'
import { sql } from 'kysely'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { finishJob, requestJob } from '../store/jobs.ts'
import { readVersion } from '../store/versions.ts'
import { accountId, accounts, deposited, totals } from '../testing/accounts.test-fixture.ts'
import { RebuildFixture, balances, until } from '../testing/rebuild.test-fixture.ts'
import { BuildSession } from './build-session.ts'

let fixture: RebuildFixture

beforeEach(async () => {
  fixture = await RebuildFixture.open()
  fixture.log.append(0, deposited(accountId(0), 1))
})

afterEach(async () => {
  vi.restoreAllMocks()
  await fixture.close()
})

/** Its job is the oldest, and ends as `failure` says. */
function failing(failure: { readonly code: string; readonly retryable: boolean }): Projection {
  return {
    ...totals,
    version: 2,
    migrate: () => Promise.reject(new OperationalError('it does not work', failure)),
  }
}

test('a job that has to wait keeps none behind it from being done', async () => {
  const waiting = failing({ code: 'NETWORK', retryable: true })
  fixture.start([totals, accounts, waiting, { ...accounts, version: 2 }])
  await fixture.hasState('accounts', 2, 'ready')
  expect(await fixture.balancesIn('rm_accounts_v2')).toEqual(balances(1))
  await fixture.hasState('totals', 2, 'building')
})

test('a job that no other attempt would help has failed', async () => {
  const hopeless = failing({ code: 'TOPIC_AUTHORIZATION_FAILED', retryable: false })
  fixture.start([totals, hopeless])
  await fixture.hasState('totals', 2, 'failed')
  expect(await readVersion(fixture.db, { name: 'totals', version: 2 })).toMatchObject({
    reason: 'it does not work',
  })
})

test('a job that another process has done since it was listed is not done again', async () => {
  const { db, log } = fixture
  log.append(1, deposited(accountId(1), 2))
  fixture.start([accounts])
  await fixture.hasBalances('public', balances(1, 2))
  await sql`update rm_accounts_v1.account set balance = 99`.execute(db)
  const open = BuildSession.open.bind(BuildSession)
  const opened = vi
    .spyOn(BuildSession, 'open')
    .mockImplementationOnce(async (url, jobId, signal) => {
      await finishJob(db, jobId, null)
      return open(url, jobId, signal)
    })
  const { projectionId } = await readVersion(db, { name: 'accounts', version: 1 })
  const keys = { version: 1, kind: 'keys' } as const
  await requestJob(db, { projectionId, ...keys, request: { keys: [accountId(0)] } })
  await vi.waitFor(() => expect(opened).toHaveBeenCalled(), { timeout: 60_000 })
  const request = { keys: [accountId(1)] }
  await until(async () => {
    expect(await fixture.runJob('accounts', { ...keys, request })).toMatchObject({ state: 'done' })
  })
  expect(await fixture.balancesIn('public')).toEqual(balances(99, 2))
})
