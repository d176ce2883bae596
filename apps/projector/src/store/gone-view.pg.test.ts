import { sql } from 'kysely'
import { afterEach, expect, test } from 'vitest'
import { totals } from '../testing/accounts.test-fixture.ts'
import { type TwoVersions, openTwoVersions } from '../testing/two-versions.test-fixture.ts'
import { promote } from './promote.ts'

let versions: TwoVersions

afterEach(() => versions.close())

test('a view that somebody has dropped already is not missed by a version without its table', async () => {
  const without = { ...totals, version: 2, migrate: async () => undefined }
  versions = await openTwoVersions(totals, without)
  await sql`drop view public.day_total`.execute(versions.db)
  const swap = { lagRecordsMax: 0, acceptParked: false, acceptLostEffects: false, timeoutMs: 0 }
  expect(await promote(versions.db, { ...swap, name: 'totals', version: 2 })).toMatchObject({
    live: 2,
  })
})
