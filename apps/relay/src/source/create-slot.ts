import pg from 'pg'
import { insertEarlierRows, rememberEarlierRows } from './earlier-rows.ts'
import type { SourceOptions } from './source-options.ts'

const CONNECT_TIMEOUT_MS = 10_000

/**
 * Makes the slot, and sees to the rows that were committed before it: a service may have written
 * events before a relay was ever started, and the log is only decoded from the slot on.
 *
 * The command that makes the slot exports a snapshot of what was committed before its start. Exactly
 * those rows are deleted and inserted again, in one transaction, and so reach the log behind the
 * slot: from there on they are events like all others. The same transaction marks the slot as
 * created, so that this happens once, whenever the process dies.
 */
export async function createSlot(client: pg.Client, options: SourceOptions): Promise<void> {
  const config: pg.ClientConfig & { readonly replication: 'database' } = {
    connectionString: options.databaseUrl,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    application_name: `fairlead-relay-${options.slotName}-create`,
    replication: 'database',
  }
  const maker = new pg.Client(config)
  maker.on('error', () => undefined)
  await maker.connect()
  try {
    const slotName = pg.escapeIdentifier(options.slotName)
    const clauses = options.failover ? `(SNAPSHOT 'export', FAILOVER true)` : 'EXPORT_SNAPSHOT'
    const { rows } = await maker.query<{ snapshot_name: string }>(
      `CREATE_REPLICATION_SLOT ${slotName} LOGICAL pgoutput ${clauses}`,
    )
    // The snapshot lives as long as its connection does nothing else.
    await rememberEarlierRows(client, options, rows[0]?.snapshot_name ?? '')
  } finally {
    await maker.end()
  }
  await insertEarlierRows(client, options)
}
