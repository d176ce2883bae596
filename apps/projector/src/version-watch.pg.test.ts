import { sql } from 'kysely'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Database } from './store/database.ts'
import { registerProjection } from './store/register.ts'
import { projectionLabel } from './projection-label.ts'
import type { RegisteredProjection } from './store/registered-projection.ts'
import { readVersion } from './store/versions.ts'
import { accounts, totals } from './testing/accounts.test-fixture.ts'
import { until } from './testing/rebuild.test-fixture.ts'
import type { LagLog } from './version-lag.ts'
import { VersionWatch } from './version-watch.ts'
import {
  type MigratedDatabase,
  migratedDatabase,
} from './testing/migrated-database.test-fixture.ts'

let database: MigratedDatabase
let db: Database
let watch: VersionWatch | undefined

beforeEach(async () => {
  database = await migratedDatabase()
  db = database.db
})

afterEach(async () => {
  await watch?.stop()
  await database.close()
})

/** Version 2 of the accounts as it is once it has been filled, and another projection. */
async function registered(): Promise<readonly RegisteredProjection[]> {
  await registerProjection(db, accounts)
  const second = await registerProjection(db, { ...accounts, version: 2 })
  await sql`
    update evt.projection_version set state = 'catching_up' where version = 2`.execute(db)
  return [second, await registerProjection(db, totals)]
}

function start(
  versions: readonly RegisteredProjection[],
  log: Partial<LagLog>,
  onSeen: (label: string) => void = () => undefined,
): void {
  watch = new VersionWatch({
    db,
    log: {
      partitionCount: async () => 2,
      earliestOffset: async () => 0,
      endOffset: async () => 0,
      ...log,
    },
    registered: versions,
    onDatabase: () => undefined,
    nowMs: () => performance.now(),
    onSeen: async ({ projection }) => onSeen(projectionLabel(projection)),
    logger: { warn: () => undefined },
  })
}

const stateOfSecond = async (): Promise<string> =>
  (await readVersion(db, { name: 'accounts', version: 2 })).state

test('a log that does not answer for one version keeps no other from being seen', async () => {
  const answers: (() => void)[] = []
  const seen: string[] = []
  const endOffset = (): Promise<number> => new Promise((resolve) => answers.push(() => resolve(0)))
  start(await registered(), { endOffset }, (label) => void seen.push(label))
  await until(() => expect(answers).toHaveLength(2))
  watch?.wake()
  await until(() => {
    expect(seen.slice(0, 4)).toEqual(['accounts v2', 'totals v1', 'accounts v2', 'totals v1'])
  })
  for (const answer of answers) answer()
  await until(async () => expect(await stateOfSecond()).toBe('ready'))
})

test('a version that fails to start keeps no other from being seen', async () => {
  const seen: string[] = []
  start(await registered(), {}, (label) => {
    seen.push(label)
    if (label === 'accounts v2') throw new TypeError('it cannot be run')
  })
  await until(() => expect(seen).toContain('totals v1'))
})

test('partitions that a version has not begun count until it has caught up', async () => {
  let end = 2_000
  let lookCount = 0
  const endOffset = async (): Promise<number> => {
    lookCount += 1
    return end
  }
  start(await registered(), { endOffset })
  await until(() => {
    watch?.wake()
    expect(lookCount).toBeGreaterThan(4)
  })
  expect(await stateOfSecond()).toBe('catching_up')
  end = 400
  await until(async () => expect(await stateOfSecond()).toBe('ready'))
})
