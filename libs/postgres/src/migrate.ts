import { createHash } from 'node:crypto'
import { readFile, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { OperationalError } from '@fairlead/base'
import pg from 'pg'
import type { Logger } from './logger.ts'

export type MigrateOptions = {
  /** Holds files such as `0001-outbox.sql`; anything else in it is ignored. */
  readonly directory: string
  readonly logger?: Logger
} & ({ readonly url: string } | { readonly client: pg.ClientBase })

type Migration = {
  readonly number: number
  readonly name: string
  readonly sql: string
  readonly checksum: string
}

/** Migrations cannot be applied: a file was edited, removed, or failed. */
export class MigrationError extends OperationalError {
  override readonly name = 'MigrationError'

  constructor(message: string, code: string, cause?: unknown) {
    super(message, { code, retryable: false, cause })
  }
}

const FILE_NAME = /^(\d{4})-([a-z0-9-]+)\.sql$/
/** Any number will do that no other program locks: "fairlead" in ASCII. */
const ADVISORY_LOCK = 0x66616972_6c656164n
const CONNECT_TIMEOUT_MS = 10_000

/**
 * Applies the numbered SQL files that the database has not seen, in order, each in a transaction of
 * its own together with its row in `fairlead.migration`. Safe when several apps start at once: an
 * advisory lock admits one at a time. Returns the names that were applied.
 *
 * @throws {MigrationError} when a file that was applied has been edited since, or two files carry
 *   one number, or a file fails; what comes before the failed one stays.
 */
export async function migrate(options: MigrateOptions): Promise<readonly string[]> {
  const migrations = await readMigrations(options.directory)
  if ('client' in options) return applyLocked(options.client, migrations, options.logger)
  const client = new pg.Client({
    connectionString: options.url,
    application_name: 'fairlead-migrate',
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
  })
  // A lost connection also rejects the query that runs; there is nothing else to do here.
  client.on('error', () => undefined)
  await client.connect()
  try {
    return await applyLocked(client, migrations, options.logger)
  } finally {
    await client.end()
  }
}

/**
 * The names of the files that `migrate` would apply. Nothing is changed.
 *
 * @throws {MigrationError} when it would refuse them.
 */
export async function pendingMigrations(
  client: pg.ClientBase,
  directory: string,
): Promise<readonly string[]> {
  const migrations = await readMigrations(directory)
  const applied = (await isBegun(client)) ? await readChecksums(client) : new Map()
  return migrations.filter((migration) => !isApplied(migration, applied)).map(({ name }) => name)
}

async function readMigrations(directory: string): Promise<readonly Migration[]> {
  const migrations: Migration[] = []
  for (const name of (await readdir(directory)).sort()) {
    const number = Number(FILE_NAME.exec(name)?.[1])
    if (Number.isNaN(number)) continue
    if (migrations.at(-1)?.number === number) {
      throw new MigrationError(`two migrations have the number of ${name}`, 'DUPLICATE_NUMBER')
    }
    const sql = await readFile(join(directory, name), 'utf8')
    const checksum = createHash('sha256').update(sql).digest('hex')
    migrations.push({ number, name, sql, checksum })
  }
  return migrations
}

async function applyLocked(
  client: pg.ClientBase,
  migrations: readonly Migration[],
  logger: Logger | undefined,
): Promise<readonly string[]> {
  await client.query('select pg_advisory_lock($1)', [ADVISORY_LOCK.toString()])
  try {
    const applied = await readApplied(client)
    const pending = migrations.filter((migration) => !isApplied(migration, applied))
    for (const migration of pending) {
      await apply(client, migration)
      logger?.info({ migration: migration.name }, 'migration applied')
    }
    return pending.map(({ name }) => name)
  } finally {
    await client.query('select pg_advisory_unlock($1)', [ADVISORY_LOCK.toString()])
  }
}

type AppliedChecksums = ReadonlyMap<number, { readonly name: string; readonly checksum: string }>

async function isBegun(client: pg.ClientBase): Promise<boolean> {
  const { rows } = await client.query<{ exists: boolean }>(
    `select to_regclass('fairlead.migration') is not null as exists`,
  )
  return rows[0]?.exists === true
}

async function readApplied(client: pg.ClientBase): Promise<AppliedChecksums> {
  // "if not exists" takes the right to create it also where it exists: an app's role need not have that.
  if (await isBegun(client)) return readChecksums(client)
  await client.query(`
    create schema if not exists fairlead;
    create table fairlead.migration (
      number integer primary key,
      name text not null,
      checksum text not null,
      applied_at timestamptz not null default clock_timestamp()
    )`)
  return readChecksums(client)
}

async function readChecksums(client: pg.ClientBase): Promise<AppliedChecksums> {
  const { rows } = await client.query<{ number: number; name: string; checksum: string }>(
    'select number, name, checksum from fairlead.migration',
  )
  return new Map(rows.map(({ number, ...row }) => [number, row]))
}

function isApplied(migration: Migration, applied: AppliedChecksums): boolean {
  const row = applied.get(migration.number)
  if (row === undefined) return false
  if (row.checksum === migration.checksum && row.name === migration.name) return true
  throw new MigrationError(
    `${migration.name} differs from ${row.name} as it was applied: migrations are never edited, add a new one`,
    'EDITED',
  )
}

async function apply(client: pg.ClientBase, migration: Migration): Promise<void> {
  await client.query('begin')
  try {
    await client.query(migration.sql)
    await client.query(
      'insert into fairlead.migration (number, name, checksum) values ($1, $2, $3)',
      [migration.number, migration.name, migration.checksum],
    )
    await client.query('commit')
  } catch (error) {
    await client.query('rollback')
    throw new MigrationError(`${migration.name} failed`, 'FAILED', error)
  }
}
