import type { Projection } from '@fairlead/projection'
import { sql } from 'kysely'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { accounts, totals } from '../testing/accounts.test-fixture.ts'
import { type TwoVersions, openTwoVersions } from '../testing/two-versions.test-fixture.ts'
import { moveCheckpoint } from './checkpoints.ts'
import { promote, rollback } from './promote.ts'
import { retire } from './retire.ts'
import { readVersion, setPaused } from './versions.ts'

const SWAP = { lagRecordsMax: 0, acceptParked: false, acceptLostEffects: false, timeoutMs: 0 }

let versions: TwoVersions

async function open(projection: Projection): Promise<TwoVersions> {
  versions = await openTwoVersions(projection, { ...projection, version: 2 })
  return versions
}

afterEach(() => versions.close())

const until = (assertion: () => Promise<void> | void): Promise<void> =>
  vi.waitFor(assertion, { timeout: 60_000, interval: 5 })

describe('side effects are not lost when the live version is behind the one to be shown', () => {
  const asked = { ...SWAP, name: 'totals', version: 2 }
  const first = { name: 'totals', version: 1 }

  beforeEach(() => open(totals))

  test('a promotion is refused when it has stopped, far behind', async () => {
    await versions.stand(1, 100, 0)
    await versions.stand(2, 5_000, 0)
    await expect(promote(versions.db, asked)).rejects.toMatchObject({
      code: 'EFFECTS_PENDING',
      message: expect.stringMatching(/4900 records/),
    })
    expect((await readVersion(versions.db, first)).state).toBe('live')
    const accepted = { ...asked, acceptLostEffects: true }
    expect(await promote(versions.db, accepted)).toMatchObject({ live: 2, effectsPending: 4_900 })
  })

  test('one that is paused says so', async () => {
    await versions.stand(1, 100, 0)
    await versions.stand(2, 5_000, 0)
    await setPaused(versions.db, { ...first, pausedBy: 'ana' })
    await expect(promote(versions.db, asked)).rejects.toMatchObject({
      code: 'EFFECTS_PENDING',
      message: expect.stringMatching(/had by it alone: it is paused by ana, resume it/) as unknown,
    })
  })

  test('a live version that moves has them in time', async () => {
    await versions.stand(1, 100, 0)
    await versions.stand(2, 5_000, 0)
    const promoting = promote(versions.db, { ...asked, timeoutMs: 20_000 })
    let nextOffset = 100
    const moving = (async () => {
      for (;;) {
        nextOffset += 1
        await versions.stand(1, nextOffset)
        const { state } = await readVersion(versions.db, asked)
        if (state === 'live') return
      }
    })()
    const [{ effectsPending }] = await Promise.all([promoting, moving])
    expect(effectsPending).toBeGreaterThan(1_000)
  })

  test('a version is not retired before it has had those that were left to it', async () => {
    await versions.stand(1, 100, 7)
    await versions.stand(2, 150, 9)
    expect(await promote(versions.db, asked)).toMatchObject({ live: 2, effectsPending: 52 })
    await versions.stand(1, 149, 9)
    await expect(retire(versions.db, first)).rejects.toMatchObject({
      code: 'EFFECTS_PENDING',
      message: expect.stringMatching(/side effects of 1 records/),
    })
    await versions.stand(1, 150)
    await retire(versions.db, first)
    expect((await readVersion(versions.db, first)).state).toBe('retired')
  })

  test.for([
    { live: 40, target: 39 },
    { live: 39, target: 40 },
  ])('they are handed over at the greater offset: $live, $target', async ({ live, target }) => {
    await versions.stand(1, live)
    await versions.stand(2, target)
    await promote(versions.db, { ...asked, lagRecordsMax: 1 })
    const [before, after] = [
      await readVersion(versions.db, first),
      await readVersion(versions.db, asked),
    ]
    expect(before.effects).toEqual({ 0: [[0, 40]] })
    expect(after.effects).toEqual({ 0: [[40, null]] })
  })

  test('a version is retired at once by who accepts that they are lost', async () => {
    await versions.stand(1, 100)
    await versions.stand(2, 150)
    await promote(versions.db, asked)
    await retire(versions.db, { ...first, acceptLostEffects: true })
    expect((await readVersion(versions.db, first)).state).toBe('retired')
  })
})

describe('a read behind the swap sees no less than one before it:', () => {
  const asked = { ...SWAP, name: 'accounts', version: 2 }
  /** A test that stands still lets an attempt pass. */
  const patient = { ...asked, timeoutMs: 60_000 }

  beforeEach(() => open(accounts))

  test('a promotion stops the live version, and waits for the other one', async () => {
    await versions.stand(1, 40, 40)
    await versions.stand(2, 40, 39)
    const promoting = promote(versions.db, patient)
    await until(async () => {
      const { rows } = await sql`
        select from evt.checkpoint where version = 1 for update skip locked`.execute(versions.db)
      expect(rows).toEqual([])
    })
    expect((await readVersion(versions.db, asked)).state).toBe('ready')
    await versions.stand(2, 41, 40)
    expect(await promoting).toMatchObject({ live: 2, effectsPending: 0 })
  })

  test('a key that is parked while it is waited for stops the promotion', async () => {
    await versions.stand(1, 40)
    await versions.stand(2, 39)
    const refusing = promote(versions.db, patient).catch((error: unknown) => error)
    await until(async () => {
      const { rows } = await sql`
        select from evt.checkpoint where version = 1 for update skip locked`.execute(versions.db)
      expect(rows).toEqual([])
    })
    await sql`
      insert into evt.parked_key (projection_id, version, topic, part, key)
      select projection_id, version, topic, part, 'a' from evt.checkpoint where version = 2`.execute(
      versions.db,
    )
    await versions.stand(2, 40)
    expect(await refusing).toMatchObject({ code: 'PARKED_KEYS' })
    expect((await readVersion(versions.db, asked)).state).toBe('ready')
  })

  test('one that does not catch up is refused, unless the loss is accepted', async () => {
    await versions.stand(1, 40, 40)
    await versions.stand(2, 40, 39)
    await expect(promote(versions.db, asked)).rejects.toMatchObject({
      code: 'LAGS_BEHIND',
      message: expect.stringMatching(/is 1 records behind version 1/),
    })
    expect(await promote(versions.db, { ...asked, lagRecordsMax: 1 })).toMatchObject({ live: 2 })
  })

  test.for([0, 2_000])('one that is paused %i records behind says so', async (behind) => {
    await versions.stand(1, behind + 1)
    await versions.stand(2, 0)
    await setPaused(versions.db, { ...asked, pausedBy: 'ana' })
    await expect(promote(versions.db, asked)).rejects.toMatchObject({
      code: 'LAGS_BEHIND',
      message: expect.stringMatching(/behind version 1: it is paused by ana, resume it/) as unknown,
    })
  })

  test('one that is far behind is refused at once, and stops nothing', async () => {
    await versions.stand(1, 2_000)
    await versions.stand(2, 999)
    await versions.db.transaction().execute(async (trx) => {
      await sql`select from evt.checkpoint where version = 1 for update`.execute(trx)
      await expect(promote(versions.db, asked)).rejects.toMatchObject({ code: 'LAGS_BEHIND' })
    })
  })
})

describe('checkpoints of both versions are held:', () => {
  const asked = { ...SWAP, name: 'accounts', version: 2 }
  let statements: string[]
  let watched: TwoVersions['db']

  beforeEach(async () => {
    await open(accounts)
    await versions.stand(1, 1, 1, 1)
    await versions.stand(2, 1, 1, 1)
    statements = []
    watched = versions.db.withPlugin({
      transformQuery: ({ node, queryId }) => {
        statements.push(versions.db.getExecutor().compileQuery(node, queryId).sql)
        return node
      },
      transformResult: ({ result }) => Promise.resolve(result),
    })
  })

  const locking = (statement: string): boolean =>
    /from evt\.checkpoint\s.* for update/s.test(statement)

  test('all that nobody else has, in one statement for each version', async () => {
    await promote(watched, asked)
    expect(statements.filter(locking)).toHaveLength(2)
  })

  test('others are waited for together no longer than for one', async () => {
    const [begun, released] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
    const held = versions.db.transaction().execute(async (trx) => {
      await sql`select from evt.checkpoint where part > 0 for update`.execute(trx)
      begun.resolve()
      await released.promise
    })
    await begun.promise
    const promoting = promote(watched, { ...asked, timeoutMs: 20_000 })
    await waits(1)
    released.resolve()
    await held
    expect(await promoting).toMatchObject({ live: 2, attempts: 1 })
    const limits = statements.flatMap((statement, index) => {
      if (!locking(statement) || statement.includes('skip locked')) return []
      return [Number(/lock_timeout = (\d+)/.exec(statements[index - 1] ?? '')?.[1])]
    })
    expect(limits).toHaveLength(2)
    expect(limits.every((limitMs) => limitMs <= 5_000)).toBe(true)
    const [first = 0, second = 0] = limits
    expect(second).toBeLessThan(first)
  })
})

/** For so many sessions to wait for a lock. */
const waits = (count: number): Promise<void> =>
  until(async () => {
    const { rows } = await sql`
      select from pg_stat_activity
      where datname = current_database() and wait_event_type = 'Lock'`.execute(versions.db)
    expect(rows).toHaveLength(count)
  })

test('batches that come while a promotion waits for one wait behind it', async () => {
  await open(accounts)
  await versions.stand(1, 1, 1)
  await versions.stand(2, 1, 1)
  const { db } = versions
  const { projectionId, schemaName } = await readVersion(db, { name: 'accounts', version: 1 })
  const from = { nextOffset: 1, source: null, eventTimeMs: null }
  const batch = (partition: number, commit: Promise<void>) => {
    const begun = Promise.withResolvers<void>()
    const at = { projection: accounts, projectionId, schemaName, partition }
    const topic = 'outbox.event.account'
    const done = db.transaction().execute(async (trx) => {
      const move = { from, to: { ...from, nextOffset: 2 }, fence: 0n, leaderEpoch: 0 }
      await moveCheckpoint(trx, { ...at, topic }, { ...move, turn: 'shared' })
      begun.resolve()
      await commit
    })
    return { begun: begun.promise, done }
  }
  const commit = Promise.withResolvers<void>()
  const first = batch(0, commit.promise)
  await first.begun
  const asked = { ...SWAP, lagRecordsMax: 10, name: 'accounts', version: 2, timeoutMs: 20_000 }
  const promoting = promote(db, asked)
  await waits(1)
  const second = batch(1, Promise.resolve())
  await waits(2)
  commit.resolve()
  expect(await promoting).toMatchObject({ live: 2, attempts: 1 })
  await Promise.all([first.done, second.done])
})

test('a rollback without anything to go back to says that it may be retired', async () => {
  await open(accounts)
  await versions.stand(1, 1)
  await versions.stand(2, 1)
  await promote(versions.db, { ...SWAP, name: 'accounts', version: 2 })
  await retire(versions.db, { name: 'accounts', version: 1 })
  await expect(rollback(versions.db, { ...SWAP, name: 'accounts' })).rejects.toMatchObject({
    code: 'NO_EARLIER_VERSION',
    message:
      'accounts has no version to go back to: none was live before this one, or it is retired',
  })
})
