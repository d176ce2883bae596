import { OperationalError } from '@fairlead/base'
import type { Projection } from '@fairlead/projection'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { readVersion } from '../store/versions.ts'
import { accountId, accounts, deposited, totals } from '../testing/accounts.test-fixture.ts'
import { RebuildFixture, balances } from '../testing/rebuild.test-fixture.ts'

let fixture: RebuildFixture

beforeEach(async () => {
  fixture = await RebuildFixture.open()
  fixture.log.append(0, deposited(accountId(0), 1))
})

afterEach(() => fixture.close())

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
