import { fileURLToPath } from 'node:url'
import { migrate } from '@fairlead/postgres'
import { testDatabase } from '@fairlead/testing'
import { type Database, openDatabase } from '../store/database.ts'

const MIGRATIONS = fileURLToPath(new URL('../../../../sql/migrations', import.meta.url))
const CONNECTIONS_MAX = 5

/** A database of its own with the tables of projectors, and connections to it. */
export type MigratedDatabase = {
  readonly url: string
  readonly db: Database
  readonly close: () => Promise<void>
}

export async function migratedDatabase(): Promise<MigratedDatabase> {
  const database = await testDatabase()
  await migrate({ url: database.url, directory: MIGRATIONS })
  const db = openDatabase({ url: database.url, connectionsMax: CONNECTIONS_MAX })
  const close = async (): Promise<void> => {
    await db.destroy()
    await database.drop()
  }
  return { url: database.url, db, close }
}
