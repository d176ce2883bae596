import { sql } from 'kysely'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { accounts } from '../testing/accounts.test-fixture.ts'
import { type TwoVersions, openTwoVersions } from '../testing/two-versions.test-fixture.ts'
import { failOpenJobs } from './jobs.ts'
import { requestRebuild } from './request-rebuild.ts'
import { readVersion } from './versions.ts'

const V2 = { name: 'accounts', version: 2 }

let versions: TwoVersions

beforeEach(async () => {
  versions = await openTwoVersions(accounts, { ...accounts, version: 2 })
})

afterEach(() => versions.close())

test('an order that a session stands in the way of says so, before a statement times out', async () => {
  const { db } = versions
  await sql`update evt.projection_version set state = 'failed' where version = 2`.execute(db)
  await failOpenJobs(db, await readVersion(db, V2), { code: 'ABORTED', reason: 'aborted by ana' })
  await db.transaction().execute(async (trx) => {
    await sql`set local idle_in_transaction_session_timeout = 0`.execute(trx)
    // As a session that fills the version, and that nobody could end.
    await sql`select from evt.projection_version where version = 2 for share`.execute(trx)
    await expect(requestRebuild(db, V2, {})).rejects.toMatchObject({
      code: 'LOCKED',
      message: expect.stringMatching(
        /^a transaction holds accounts v2 for longer than \d+ ms: look for it in pg_stat_activity, and order the rebuild again/,
      ),
    })
    expect(await readVersion(db, V2)).toMatchObject({ state: 'failed' })
  })
  await requestRebuild(db, V2, {})
  expect(await readVersion(db, V2)).toMatchObject({ state: 'building' })
})
