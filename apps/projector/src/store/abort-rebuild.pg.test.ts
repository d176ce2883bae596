import type { SqlProjection } from '@fairlead/projection'
import { sql } from 'kysely'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { EventLog } from '../log/event-log.ts'
import { accountId, accounts, deposited, totals } from '../testing/accounts.test-fixture.ts'
import { RebuildFixture, until } from '../testing/rebuild.test-fixture.ts'
import { abortRebuild } from './abort-rebuild.ts'
import { latestJob, readJob, requestJob } from './jobs.ts'
import { requestRebuild } from './request-rebuild.ts'
import { retire } from './retire.ts'
import { lockVersion, readVersion } from './versions.ts'

let fixture: RebuildFixture

beforeEach(async () => {
  fixture = await RebuildFixture.open()
  fixture.log.append(0, deposited(accountId(0), 1))
})

afterEach(() => fixture.close())

const V2 = { name: 'totals', version: 2 }

/** Waits in the transaction of its rebuild until `release`. */
function stuck() {
  const release = Promise.withResolvers<void>()
  let callCount = 0
  const projection: SqlProjection = {
    ...totals,
    version: 2,
    on: {
      ...totals.on,
      Deposited: async (event, context) => {
        callCount += 1
        await release.promise
        await totals.on['Deposited']?.(event, context)
      },
    },
  }
  return { projection, release: release.resolve, calls: () => callCount }
}

test('a rebuild that is aborted in a transaction ends, and is not taken up again', async () => {
  const { projection, release, calls } = stuck()
  fixture.start([totals, projection])
  await until(() => expect(calls()).toBe(1))
  await abortRebuild(fixture.db, { ...V2, abortedBy: 'ana' })
  const version = await readVersion(fixture.db, V2)
  expect(version).toMatchObject({ state: 'failed', reason: 'aborted by ana' })
  const job = await latestJob(fixture.db, { ...version, kind: 'rebuild' })
  expect(job).toMatchObject({ state: 'failed', reason: 'aborted by ana' })
  await expect(abortRebuild(fixture.db, { ...V2, abortedBy: 'ana' })).rejects.toThrow(
    'totals v2 is failed: no rebuild is under way',
  )

  release()
  await requestRebuild(fixture.db, V2, {})
  await fixture.hasState('totals', 2, 'ready')
  expect((await readVersion(fixture.db, V2)).reason).toBeNull()
})

test('a rebuild that ends while it is being aborted is not said to be', async () => {
  const { projection, release, calls } = stuck()
  fixture.start([totals, projection])
  await until(() => expect(calls()).toBe(1))
  let aborting: Promise<void> | undefined
  await fixture.db.transaction().execute(async (trx) => {
    const { projectionId } = await lockVersion(trx, V2)
    await sql`update evt.projection_version set state = 'catching_up'
      where (projection_id, version) = (${projectionId}, 2)`.execute(trx)
    aborting = abortRebuild(fixture.db, { ...V2, abortedBy: 'ana' })
    aborting.catch(() => undefined)
    await until(async () => {
      const { rows } = await sql`select from pg_stat_activity
        where datname = current_database() and wait_event_type = 'Lock'
          and query like 'select from evt.projection where name = % for update'`.execute(fixture.db)
      expect(rows).not.toEqual([])
    })
  })
  await expect(aborting).rejects.toMatchObject({
    code: 'NOT_BUILDING',
    message: 'totals v2 is catching_up: its rebuild had ended before it could be aborted',
  })
  release()
})

test('a version whose rebuild holds its tables is retired at once', async () => {
  const { projection, release, calls } = stuck()
  fixture.start([totals, projection])
  await until(() => expect(calls()).toBe(1))
  await retire(fixture.db, V2)
  expect(await readVersion(fixture.db, V2)).toMatchObject({ state: 'retired' })
  const { rows } = await sql`
    select from pg_namespace where nspname = 'rm_totals_v2'`.execute(fixture.db)
  expect(rows).toEqual([])
  release()
})

test('a rebuild that waits for the log ends, and the next one begins', async () => {
  const inner = fixture.log.open()
  let isAway = true
  const log: EventLog = {
    ...inner,
    read: (request) => {
      if (!isAway) return inner.read(request)
      const { signal } = request
      return new Promise((_resolve, reject) => {
        signal.addEventListener('abort', () => reject(signal.reason), { once: true })
      })
    },
  }
  const silent = (): void => undefined
  const warn = vi.fn()
  const logger = { debug: silent, info: silent, warn, error: silent }
  fixture.start([accounts, { ...accounts, version: 2 }], { log, logger })
  const target = { name: 'accounts', version: 2 }
  await until(async () => {
    const version = await readVersion(fixture.db, target)
    const job = await latestJob(fixture.db, { ...version, kind: 'rebuild' })
    expect(job?.phase).toBe('loading')
  })
  await abortRebuild(fixture.db, { ...target, abortedBy: 'ana' })
  expect(await readVersion(fixture.db, target)).toMatchObject({ reason: 'aborted by ana' })
  isAway = false
  await requestRebuild(fixture.db, target, {})
  await fixture.hasState('accounts', 2, 'ready')
  expect(warn).not.toHaveBeenCalledWith(expect.anything(), 'a job waits')
})

test('a rebuild that nobody has begun is aborted, too', async () => {
  const { projection, release } = stuck()
  release()
  fixture.start([totals, projection])
  await fixture.hasState('totals', 2, 'ready')
  await fixture.stopAll()
  await requestRebuild(fixture.db, V2, {})
  await abortRebuild(fixture.db, { ...V2, abortedBy: 'ben' })
  expect(await readVersion(fixture.db, V2)).toMatchObject({ state: 'failed' })
})

test('a version that does not catch up can be filled anew once that is aborted', async () => {
  const { projection, release } = stuck()
  release()
  fixture.start([totals, projection])
  await fixture.hasState('totals', 2, 'ready')
  await fixture.stopAll()
  const { projectionId } = await readVersion(fixture.db, V2)
  // As of one whose log lost events before it came to them: its worker stands still.
  await sql`update evt.projection_version set state = 'catching_up'
    where (projection_id, version) = (${projectionId}, 2)`.execute(fixture.db)
  await requestJob(fixture.db, { projectionId, version: 2, kind: 'verify', request: {} })
  await expect(requestRebuild(fixture.db, V2, {})).rejects.toMatchObject({ code: 'BUSY' })

  await abortRebuild(fixture.db, { ...V2, abortedBy: 'ana' })
  const version = await readVersion(fixture.db, V2)
  expect(version).toMatchObject({ state: 'failed', reason: 'aborted by ana' })
  expect(await latestJob(fixture.db, { ...version, kind: 'verify' })).toMatchObject({
    state: 'failed',
    code: 'ABORTED',
  })
  await requestRebuild(fixture.db, V2, {})
  fixture.start([totals, projection])
  await fixture.hasState('totals', 2, 'ready')
})

test('a version that has caught up while it is being aborted stays', async () => {
  const { projection, release } = stuck()
  release()
  fixture.start([totals, projection])
  await fixture.hasState('totals', 2, 'ready')
  await fixture.stopAll()
  const { projectionId } = await readVersion(fixture.db, V2)
  const to = (state: string) => sql`update evt.projection_version set state = ${state}
    where (projection_id, version) = (${projectionId}, 2)`
  await to('catching_up').execute(fixture.db)
  const verify = { projectionId, version: 2, kind: 'verify', request: {} } as const
  const jobId = await requestJob(fixture.db, verify)
  let aborting: Promise<void> | undefined
  await fixture.db.transaction().execute(async (trx) => {
    await to('ready').execute(trx)
    aborting = abortRebuild(fixture.db, { ...V2, abortedBy: 'ana' })
    aborting.catch(() => undefined)
    await until(async () => {
      const { rows } = await sql`select from pg_stat_activity
        where datname = current_database() and wait_event_type = 'Lock'
          and query like '%update evt.projection_version%'`.execute(fixture.db)
      expect(rows).not.toEqual([])
    })
  })
  await expect(aborting).rejects.toMatchObject({ code: 'NOT_BUILDING' })
  expect(await readVersion(fixture.db, V2)).toMatchObject({ state: 'ready' })
  expect(await readJob(fixture.db, jobId)).toMatchObject({ state: 'requested' })
})
