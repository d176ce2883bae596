import { sql } from 'kysely'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { EventLog } from '../log/event-log.ts'
import { type Job, readJob, requestJob } from '../store/jobs.ts'
import { requestRebuild } from '../store/request-rebuild.ts'
import { readVersion } from '../store/versions.ts'
import { accountId, accounts } from '../testing/accounts.test-fixture.ts'
import { RebuildFixture, balances, until } from '../testing/rebuild.test-fixture.ts'

const V2 = { name: 'accounts', version: 2 }
const PROMOTION = { lagRecordsMax: 0, acceptParked: false, acceptLostEffects: false, timeoutMs: 0 }

let fixture: RebuildFixture

beforeEach(async () => {
  fixture = await RebuildFixture.open()
  fixture.appendDeposits(4, 2)
})

afterEach(() => fixture.close())

/** A job of version 2 that has begun to read the log, and goes on once `goOn` is called. */
async function begin(job: Pick<Job, 'kind' | 'request'>) {
  const inner = fixture.log.open()
  let isHeld = false
  const reading = Promise.withResolvers<void>()
  const held = Promise.withResolvers<void>()
  const log: EventLog = {
    ...inner,
    read: async (request) => {
      if (isHeld) {
        reading.resolve()
        await held.promise
      }
      return inner.read(request)
    },
  }
  fixture.start([accounts, { ...accounts, version: 2 }], { log })
  await fixture.hasState('accounts', 2, 'ready')
  await sql`update rm_accounts_v2.account set total = 99`.execute(fixture.db)
  isHeld = true
  const { projectionId } = await readVersion(fixture.db, V2)
  const id = await requestJob(fixture.db, { projectionId, version: 2, ...job })
  await reading.promise
  const goOn = (): void => {
    isHeld = false
    held.resolve()
  }
  return { id, goOn }
}

async function failed(id: bigint): Promise<void> {
  await until(async () =>
    expect(await readJob(fixture.db, id)).toMatchObject({ state: 'failed', code: 'NOT_BUILT' }),
  )
}

test('rows are not folded anew in a version that is filled again meanwhile', async () => {
  const { id, goOn } = await begin({ kind: 'keys', request: { keys: [accountId(0)] } })
  // As its rebuild has it, from the order to the first rows.
  await sql`update evt.projection_version set state = 'building' where version = 2`.execute(
    fixture.db,
  )
  goOn()
  await failed(id)
  const { rows } = await sql`select total::int from rm_accounts_v2.account`.execute(fixture.db)
  expect(rows).toEqual([{ total: 99 }, { total: 99 }])
})

test.for([
  { kind: 'keys', request: { keys: [accountId(0)] } },
  { kind: 'verify', request: { promote: PROMOTION } },
] as const)('a job ($kind) of a version ends with the order to fill it again', async (job) => {
  const { id, goOn } = await begin(job)
  await requestRebuild(fixture.db, V2, {})
  await failed(id)
  goOn()
  await fixture.hasState('accounts', 2, 'ready')
  expect(await fixture.balancesIn('rm_accounts_v2')).toEqual(balances(2, 2))
  expect(await readVersion(fixture.db, V2)).toMatchObject({ liveVersion: 1 })
  await failed(id)
})

test('nothing is compared of a version that is filled again', async () => {
  const { id, goOn } = await begin({ kind: 'verify', request: {} })
  await sql`update evt.projection_version set state = 'building' where version = 2`.execute(
    fixture.db,
  )
  goOn()
  await failed(id)
})
