import { afterEach, beforeEach, expect, test } from 'vitest'
import type { JobRequest } from '../store/jobs.ts'
import { registerMoment } from '../store/register.ts'
import { requestRebuild } from '../store/request-rebuild.ts'
import { accountId, accounts, deposited } from '../testing/accounts.test-fixture.ts'
import { RebuildFixture, balances } from '../testing/rebuild.test-fixture.ts'

let fixture: RebuildFixture

beforeEach(async () => {
  fixture = await RebuildFixture.open()
})

afterEach(() => fixture.close())

/** A record of then, in time and in the log of its source. */
function depositedAt(timestampMs: number, account: number, amount: number) {
  const headers = [
    ['cdc.lsn', `0/${timestampMs}`],
    ['cdc.seq', '0'],
    ['cdc.ts', String(timestampMs)],
  ].map(([name = '', text = '']) => [name, Buffer.from(text)] as const)
  return { ...deposited(accountId(account), amount, headers), timestampMs }
}

/** Fills a version of a moment, of which it answers the number. */
async function fill(request: JobRequest): Promise<number> {
  const { projector } = fixture.start([accounts])
  await fixture.hasState('accounts', 1, 'live')
  const [registered] = projector.registered
  if (registered === undefined) throw new Error('nothing is registered')
  const { version } = await registerMoment(fixture.db, registered, request)
  await fixture.hasState('accounts', version, 'ready')
  return version
}

test('a moment has the events of before it that are behind later ones in the log', async () => {
  fixture.log.append(0, { ...deposited(accountId(0), 1), timestampMs: 300 })
  fixture.log.append(0, { ...deposited(accountId(1), 2), timestampMs: 200 })
  fixture.log.append(1, { ...deposited(accountId(2), 4), timestampMs: 201 })
  await fill({ untilMs: 200 })
  expect(await fixture.balancesIn('rm_accounts_at_1')).toEqual([[accountId(1), 2]])
})

test.each([{ untilMs: 200 }, { untilLsn: '0/200' }])(
  'what is done with the version of a moment later (%o) does not go beyond it',
  async (bound) => {
    fixture.log.append(0, depositedAt(100, 0, 1), depositedAt(300, 0, 1))
    fixture.log.append(1, depositedAt(200, 1, 1), depositedAt(400, 2, 1))
    const version = await fill(bound)
    const rows = balances(1, 1)
    expect(await fixture.balancesIn('rm_accounts_at_1')).toEqual(rows)

    const verified = await fixture.runJob('accounts', { version, kind: 'verify', request: {} })
    expect(verified?.result).toMatchObject({ isEqual: true, logKeyCount: 2 })

    const keys = [0, 1, 2].map(accountId)
    await fixture.runJob('accounts', { version, kind: 'keys', request: { keys } })
    expect(await fixture.balancesIn('rm_accounts_at_1')).toEqual(rows)

    await requestRebuild(fixture.db, { name: 'accounts', version }, {})
    await fixture.hasState('accounts', version, 'ready')
    expect(await fixture.balancesIn('rm_accounts_at_1')).toEqual(rows)
  },
)
