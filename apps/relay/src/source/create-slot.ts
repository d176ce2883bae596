import pg from 'pg'
import type { SourceOptions } from './source-options.ts'

const CONNECT_TIMEOUT_MS = 10_000

/** Makes the slot with a command of the replication protocol: only that can ask for FAILOVER. */
export async function createSlot(options: SourceOptions): Promise<void> {
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
    const clauses = options.failover ? `(SNAPSHOT 'nothing', FAILOVER true)` : 'NOEXPORT_SNAPSHOT'
    await maker.query(`CREATE_REPLICATION_SLOT ${slotName} LOGICAL pgoutput ${clauses}`)
  } finally {
    await maker.end()
  }
}
