import { sql } from 'kysely'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { EventLog } from './log/event-log.ts'
import { finishOrders } from './order-keeper.ts'
import { finishAbort } from './store/abort-rebuild.ts'
import { failJob, latestJob, requestJob } from './store/jobs.ts'
import { requestRebuild } from './store/request-rebuild.ts'
import { retire } from './store/retire.ts'
import { lockVersion, readVersion } from './store/versions.ts'
import { accountId, accounts, deposited } from './testing/accounts.test-fixture.ts'
import { RebuildFixture, until } from './testing/rebuild.test-fixture.ts'

const V2 = { name: 'accounts', version: 2 }
const BOTH = [accounts, { ...accounts, version: 2 }]
const ABORTED = { code: 'ABORTED', reason: 'aborted by ana' }

let fixture: RebuildFixture
const logger = { info: vi.fn(), warn: vi.fn() }
const onChange = vi.fn()

beforeEach(async () => {
  vi.resetAllMocks()
  fixture = await RebuildFixture.open()
})

afterEach(() => fixture.close())

async function round(): Promise<void> {
  const { projectionId } = await readVersion(fixture.db, { ...V2, version: 1 })
  await finishOrders({ db: fixture.db, registered: [{ projectionId }], logger, onChange })
}

/** Of version 2, as its abort leaves it whose process dies once the job has failed. */
async function failRebuild(): Promise<void> {
  const version = await readVersion(fixture.db, V2)
  const job = await latestJob(fixture.db, { ...version, kind: 'rebuild' })
  expect(await failJob(fixture.db, job?.id ?? 0n, ABORTED)).toBe(true)
}

async function readyThenOrdered(): Promise<void> {
  fixture.log.append(0, deposited(accountId(0), 1))
  fixture.start(BOTH)
  await fixture.hasState('accounts', 2, 'ready')
  await fixture.stopAll()
  await requestRebuild(fixture.db, V2, {})
}

test('an abort whose process has died is finished by the next one that starts', async () => {
  await readyThenOrdered()
  await failRebuild()
  expect(await readVersion(fixture.db, V2)).toMatchObject({ state: 'building' })
  fixture.start(BOTH)
  await fixture.hasState('accounts', 2, 'failed')
  expect(await readVersion(fixture.db, V2)).toMatchObject({ reason: 'aborted by ana' })
})

test('the session of a rebuild is ended whose abort had no time to', async () => {
  const inner = fixture.log.open()
  const isAsked = Promise.withResolvers<void>()
  const log: EventLog = {
    ...inner,
    read: ({ signal }) => {
      isAsked.resolve()
      return new Promise((_resolve, reject) => {
        signal.addEventListener('abort', () => reject(signal.reason), { once: true })
      })
    },
  }
  fixture.log.append(0, deposited(accountId(0), 1))
  fixture.start(BOTH, { log })
  await isAsked.promise
  await failRebuild()
  await round()
  const { rows } = await sql`
    select from pg_stat_activity where datname = current_database()
      and application_name = 'fairlead-projector-rebuild'`.execute(fixture.db)
  expect(rows).toEqual([])
  expect(await readVersion(fixture.db, V2)).toMatchObject({ state: 'failed' })
  expect(onChange).toHaveBeenCalledOnce()
})

test('a rebuild that is ordered while an abort is finished stays', async () => {
  await readyThenOrdered()
  await failRebuild()
  const { projectionId } = await readVersion(fixture.db, V2)
  let finishing: Promise<boolean> | undefined
  await fixture.db.transaction().execute(async (trx) => {
    await lockVersion(trx, V2)
    finishing = finishAbort(fixture.db, { ...V2, projectionId })
    await until(async () => {
      const { rows } = await sql`select from pg_stat_activity
        where datname = current_database() and wait_event_type = 'Lock'`.execute(fixture.db)
      expect(rows).not.toEqual([])
    })
    await requestJob(trx, { projectionId, version: 2, kind: 'rebuild', request: {} })
  })
  expect(await finishing).toBe(false)
  expect(await readVersion(fixture.db, V2)).toMatchObject({ state: 'building' })
})

test('a rebuild that is under way, and one that nobody has begun, are left alone', async () => {
  await readyThenOrdered()
  await round()
  expect(await readVersion(fixture.db, V2)).toMatchObject({ state: 'building' })
  expect(logger.info).not.toHaveBeenCalled()
})

test('tables that a retirement has left go once they are free', async () => {
  const apart = { ...accounts, tenants: 'schema' as const }
  for (const tenant of ['acme', 'globex']) {
    fixture.log.append(0, deposited(accountId(0), 1, [['tenant', Buffer.from(tenant)]]))
  }
  fixture.start([apart, { ...apart, version: 2 }], { tenantHeader: 'tenant' })
  await fixture.hasState('accounts', 2, 'ready')
  await fixture.db.transaction().execute(async (trx) => {
    await sql`lock table rm_accounts_v2_t1.account in access share mode`.execute(trx)
    expect(await retire(fixture.db, V2)).toEqual({ tenantsLeft: 1 })
  })
  await round()
  const { rows } = await sql`
    select from pg_namespace where nspname like 'rm_accounts_v2%'`.execute(fixture.db)
  expect(rows).toEqual([])
  expect(onChange).toHaveBeenCalledOnce()
  expect(logger.warn).not.toHaveBeenCalled()
})
