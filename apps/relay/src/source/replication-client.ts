import pg from 'pg'

const CONNECT_TIMEOUT_MS = 10_000

/** A connection for commands of the replication protocol. */
export async function openReplicationClient(
  options: { readonly databaseUrl: string; readonly slotName: string },
  purpose: string,
): Promise<pg.Client> {
  const config: pg.ClientConfig & { readonly replication: 'database' } = {
    connectionString: options.databaseUrl,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    application_name: `fairlead-relay-${options.slotName}-${purpose}`,
    replication: 'database',
  }
  const client = new pg.Client(config)
  client.on('error', () => undefined)
  await client.connect()
  return client
}
