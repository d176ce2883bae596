import { execFile } from 'node:child_process'
import { readdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { type EmbeddedPostgres, startEmbeddedPostgres } from '@fairlead/postgres'
import pg from 'pg'
import { freePort } from './free-port.ts'
import { waitFor } from './wait-for.ts'

/** Of the standby, on the primary. */
export const STANDBY_SLOT = 'standby'
const SYNCED_DEADLINE_MS = 90_000

/**
 * A streaming standby of a server on this machine, from a copy of its folder between `pg_backup_start`
 * and `pg_backup_stop`: the embedded server has no `pg_basebackup`.
 */
export async function startStandby(
  primary: { readonly url: string; readonly dataDirectory: string },
  options: {
    readonly dataDirectory: string
    /** The way to the primary, which a test may cut. */
    readonly primaryPort: number
  },
): Promise<EmbeddedPostgres> {
  const { dataDirectory, primaryPort } = options
  let label = ''
  const client = new pg.Client({ connectionString: primary.url })
  await client.connect()
  try {
    await client.query('select pg_create_physical_replication_slot($1, true)', [STANDBY_SLOT])
    await client.query(`select pg_backup_start('standby', true)`)
    await run('cp', ['-a', primary.dataDirectory, dataDirectory])
    const { rows } = await client.query<{ labelfile: string }>('select * from pg_backup_stop()')
    label = rows[0]?.labelfile ?? ''
  } finally {
    await client.end()
  }
  // What belongs to the running primary.
  await rm(join(dataDirectory, 'postmaster.pid'), { force: true })
  const slots = join(dataDirectory, 'pg_replslot')
  for (const name of await readdir(slots)) await rm(join(slots, name), { recursive: true })
  const files = { backup_label: label, 'standby.signal': '' }
  for (const [name, text] of Object.entries(files)) {
    await writeFile(join(dataDirectory, name), text)
    await run('chown', ['--reference', primary.dataDirectory, join(dataDirectory, name)])
  }
  const { username, password } = new URL(primary.url)
  const conninfo = `host=127.0.0.1 port=${primaryPort} user=${username} password=${password} dbname=postgres`
  return startEmbeddedPostgres({
    dataDirectory,
    port: await freePort(),
    settings: {
      primary_conninfo: conninfo,
      primary_slot_name: STANDBY_SLOT,
      hot_standby_feedback: 'on',
      sync_replication_slots: 'on',
    },
  })
}

const run = promisify(execFile)

/** The slot would survive the loss of the primary. */
export async function slotIsSynced(standby: pg.Pool, slotName: string): Promise<void> {
  await waitFor(`slot ${slotName} to be in sync`, SYNCED_DEADLINE_MS, async () => {
    const { rows } = await standby.query<{ ready: boolean }>(
      `select synced and not temporary and invalidation_reason is null as ready
       from pg_replication_slots where slot_name = $1`,
      [slotName],
    )
    return rows[0]?.ready === true
  })
}
