import { errorMessage } from '@fairlead/base'
import type { FoldProjection, SqlProjection } from '@fairlead/projection'
import { sql } from 'kysely'
import { expect, test } from 'vitest'
import type { Job } from '../store/jobs.ts'
import { accountId, accounts, totals } from '../testing/accounts.test-fixture.ts'
import { RebuildFixture, balances, until } from '../testing/rebuild.test-fixture.ts'

const ACCOUNTS = 4

/** What code of a projection waits for. It never comes the first time after it was told not to. */
class Elsewhere {
  #isAway = false

  goAway(): void {
    this.#isAway = true
  }

  readonly ask = (): Promise<void> => {
    if (!this.#isAway) return Promise.resolve()
    this.#isAway = false
    return new Promise(() => undefined)
  }
}

const looking = (version: number, { ask }: Elsewhere): FoldProjection => ({
  ...accounts,
  version,
  enrich: ask,
})

const handling = (version: number, { ask }: Elsewhere): SqlProjection => ({
  ...totals,
  version,
  on: { ...totals.on, Deposited: ask },
})

/** What jobs of a projector are said to wait for. */
function waiting() {
  const reasons: string[] = []
  const silent = (): void => undefined
  const warn = ({ err }: { readonly err?: unknown }, message: string): void => {
    if (message === 'a job waits') reasons.push(errorMessage(err))
  }
  return { reasons, logger: { debug: silent, info: silent, warn, error: silent } }
}

test.concurrent.for([
  { what: 'a handler', first: totals, second: handling },
  { what: 'enrich', first: accounts, second: looking },
])('a rebuild waits in vain for $what, tells it, and is done anew', async (of) => {
  const { what, first, second } = of
  const fixture = await RebuildFixture.open()
  try {
    fixture.appendDeposits(ACCOUNTS, ACCOUNTS)
    const elsewhere = new Elsewhere()
    elsewhere.goAway()
    const { reasons, logger } = waiting()
    fixture.start([first, second(2, elsewhere)], { logger })
    await fixture.hasState(first.name, 2, 'ready')
    expect(reasons).toEqual([
      expect.stringMatching(new RegExp(`^${what} waited for something else than the database`)),
    ])
  } finally {
    await fixture.close()
  }
})

const IDLE_TOO_LONG = sql`
  select from pg_stat_activity where datname = current_database()
    and application_name = 'fairlead-projector-rebuild'
    and (state <> 'idle' or clock_timestamp() - state_change < interval '11 s')`

test.concurrent('look-ups of a portion take longer than a session may be idle', async () => {
  const fixture = await RebuildFixture.open()
  try {
    fixture.appendDeposits(ACCOUNTS, ACCOUNTS)
    let isFirst = true
    const slowly: SqlProjection = {
      ...totals,
      version: 2,
      enrichEach: async () => {
        if (!isFirst) return
        isFirst = false
        await until(async () =>
          expect((await IDLE_TOO_LONG.execute(fixture.db)).rows).toHaveLength(0),
        )
      },
    }
    const { reasons, logger } = waiting()
    fixture.start([totals, slowly], { logger })
    await fixture.hasState(totals.name, 2, 'ready')
    expect(isFirst).toBe(false)
    expect(reasons).toEqual([])
  } finally {
    await fixture.close()
  }
})

test.concurrent.for<Pick<Job, 'kind' | 'request'>>([
  { kind: 'keys', request: { keys: [accountId(1)] } },
  { kind: 'verify', request: {} },
])('so does a job of the kind $kind', async (job) => {
  const fixture = await RebuildFixture.open()
  try {
    fixture.appendDeposits(ACCOUNTS, ACCOUNTS)
    const elsewhere = new Elsewhere()
    const { reasons, logger } = waiting()
    fixture.start([looking(1, elsewhere)], { logger })
    await fixture.hasBalances('public', balances(1, 1, 1, 1))
    elsewhere.goAway()
    expect(await fixture.runJob('accounts', { version: 1, ...job })).toMatchObject({
      state: 'done',
    })
    expect(reasons).toEqual([
      expect.stringMatching(/^enrich waited for something else than the database/),
    ])
    await fixture.hasBalances('public', balances(1, 1, 1, 1))
  } finally {
    await fixture.close()
  }
})
