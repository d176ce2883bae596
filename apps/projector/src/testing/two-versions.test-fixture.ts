import { fileURLToPath } from 'node:url'
import { migrate } from '@fairlead/postgres'
import type { Projection } from '@fairlead/projection'
import { type TestDatabase, testDatabase } from '@fairlead/testing'
import { sql } from 'kysely'
import { type Database, openDatabase } from '../store/database.ts'
import { registerProjection } from '../store/register.ts'
import { createTables } from '../store/version-tables.ts'

const MIGRATIONS = fileURLToPath(new URL('../../../../sql/migrations', import.meta.url))

/** Version 1 of a projection, live, and version 2 beside it, ready. No worker runs either. */
export type TwoVersions = {
  readonly database: TestDatabase
  readonly db: Database
  /** Sets where a version stands, from partition 0 on. */
  readonly stand: (version: number, ...nextOffsets: readonly number[]) => Promise<void>
}

export async function openTwoVersions(first: Projection, second: Projection): Promise<TwoVersions> {
  const database = await testDatabase()
  await migrate({ url: database.url, directory: MIGRATIONS })
  const db = openDatabase({ url: database.url, connectionsMax: 5 })
  const { projectionId } = await registerProjection(db, first)
  const registered = await registerProjection(db, second)
  await db.transaction().execute((trx) => createTables(trx, registered, { isBulk: false }))
  await sql`
    update evt.projection_version set state = 'ready' where version = ${second.version}`.execute(db)
  const stand = async (version: number, ...nextOffsets: readonly number[]): Promise<void> => {
    for (const [partition, nextOffset] of nextOffsets.entries()) {
      await sql`
        insert into evt.checkpoint (projection_id, version, topic, part, next_offset)
        values (${projectionId}, ${version}, ${first.sources[0]?.topic}, ${partition}, ${nextOffset})
        on conflict (projection_id, version, topic, part)
          do update set next_offset = excluded.next_offset`.execute(db)
    }
  }
  return { database, db, stand }
}
