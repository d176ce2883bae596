import { sql } from 'kysely'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { EventLog } from '../log/event-log.ts'
import { failJob, latestJob, readJob, requestJob } from '../store/jobs.ts'
import { requestRebuild } from '../store/request-rebuild.ts'
import { readVersion } from '../store/versions.ts'
import { accountId, accounts, deposited, totals } from '../testing/accounts.test-fixture.ts'
import { RebuildFixture, until } from '../testing/rebuild.test-fixture.ts'

const EVENT_COUNT = 10
const V2 = { name: 'totals', version: 2 }

let fixture: RebuildFixture

beforeEach(async () => {
  fixture = await RebuildFixture.open()
  for (let index = 0; index < EVENT_COUNT; index += 1) {
    fixture.log.append(0, deposited(accountId(0), 1))
  }
})

afterEach(() => fixture.close())

/** Starts a projector whose rebuilds get one record at a time, and none from `offset` on before `release`. */
function startStuckAt(offset: number) {
  const released = Promise.withResolvers<void>()
  const inner = fixture.log.open()
  let isStuck = false
  const log: EventLog = {
    ...inner,
    read: async (request) => {
      if (request.fromOffset >= offset) {
        isStuck = true
        await released.promise
      }
      const { records, ...fetched } = await inner.read(request)
      const nextOffset = request.fromOffset + Math.min(1, records.length)
      return { ...fetched, nextOffset, records: records.slice(0, 1) }
    },
  }
  const later = { ...totals, version: 2 }
  const { projector } = fixture.start([totals, later], { log, batchRecordsMax: 1 })
  return { release: released.resolve, isStuck: () => isStuck, projector }
}

test('whoever fills a version for an order that was ended writes nothing beside the next one', async () => {
  const { db } = fixture
  const former = startStuckAt(5)
  await until(() => expect(former.isStuck()).toBe(true))
  await until(async () => {
    const { rows } = await sql`select from rm_totals_v2.day_total`.execute(db)
    expect(rows).toHaveLength(1)
  })
  const version = await readVersion(db, V2)
  const job = await latestJob(db, { ...version, kind: 'rebuild' })
  // As of an abort whose process dies before it has ended the session, or that may not end it.
  await failJob(db, job?.id ?? 0n, { code: 'ABORTED', reason: 'aborted by ana' })
  await requestRebuild(db, V2, {})

  const next = startStuckAt(0)
  await until(() => expect(next.isStuck()).toBe(true))
  former.release()
  await until(async () => {
    const { rows } = await sql`select from pg_locks where locktype = 'advisory'
      and objid = ${job?.id}::oid and classid = ${0x70726f6a}::oid`.execute(db)
    expect(rows).toEqual([])
  })
  next.release()
  await fixture.hasState('totals', 2, 'ready')
  const { rows } = await sql`select total from rm_totals_v2.day_total`.execute(db)
  expect(rows).toEqual([{ total: BigInt(EVENT_COUNT) }])
})

test('what was ordered of its rows ends as a version is ordered anew', async () => {
  const { db } = fixture
  const state = { isAway: false, isAsked: false }
  fixture.start([totals, { ...totals, version: 2 }, accounts, { ...accounts, version: 2 }], {
    log: fixture.absentLog(state),
  })
  await fixture.hasState('accounts', 2, 'ready')
  await fixture.hasState('totals', 2, 'ready')
  await until(async () => expect(await fixture.jobSessions()).toEqual([]))
  state.isAway = true
  const target = { name: 'accounts', version: 2 }
  const { projectionId } = await readVersion(db, target)
  const verify = { projectionId, version: 2, kind: 'verify', request: {} } as const
  const jobId = await requestJob(db, verify)
  await until(() => expect(state.isAsked).toBe(true))
  expect(await fixture.jobSessions()).toHaveLength(1)
  state.isAway = false
  await requestRebuild(db, target, {})
  expect(await readJob(db, jobId)).toMatchObject({ state: 'failed', code: 'NOT_BUILT' })
  // By the process that waited for the log.
  await fixture.hasState('accounts', 2, 'ready')
})
