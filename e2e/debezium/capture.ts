import { chmod, mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { startEmbeddedPostgres } from '@fairlead/postgres'
import pg from 'pg'
import { freePort } from '../support/free-port.ts'
import { waitFor } from '../support/wait-for.ts'
import { type CapturedRecord, RealDebezium } from './real-debezium.ts'
import { type Scenario, makeChanges } from './scenario.ts'

const ENTER_ONLY = 0o711
/** Debezium is done when it has written nothing for this long. */
const QUIET_MS = 3_000
const DEADLINE_MS = 60_000

/** What Debezium itself makes of a scenario, on a Postgres of its own. */
export async function capture(scenario: Scenario): Promise<readonly CapturedRecord[]> {
  const directory = await mkdtemp(join(tmpdir(), 'debezium-postgres-'))
  await chmod(directory, ENTER_ONLY)
  const postgres = await startEmbeddedPostgres({
    dataDirectory: join(directory, 'data'),
    port: await freePort(),
  })
  const client = new pg.Client({ connectionString: postgres.url })
  await client.connect()
  try {
    await client.query(scenario.setup)
    await using debezium = await RealDebezium.start(await propertiesOf(scenario, postgres.url))
    // It takes its snapshot first; what follows is to come from the log.
    await waitFor('Debezium to read its slot', DEADLINE_MS, async () => {
      const { rowCount } = await client.query('select from pg_replication_slots where active')
      return rowCount === 1
    })
    await makeChanges(client, scenario)
    await waitFor('the first record', DEADLINE_MS, () => debezium.records.length > 0)
    for (let seen = -1; seen < debezium.records.length; await delay(QUIET_MS)) {
      seen = debezium.records.length
    }
    return debezium.records
  } finally {
    await client.end()
    await postgres.stop()
    await rm(directory, { recursive: true, force: true })
  }
}

async function propertiesOf(
  { configFile }: Scenario,
  url: string,
): Promise<Readonly<Record<string, string>>> {
  const text = await readFile(configFile, 'utf8')
  const { hostname, port, username, password, pathname } = new URL(url)
  return {
    ...(configFile.endsWith('.json') ? connectProperties(text) : serverProperties(text)),
    name: 'capture',
    'database.hostname': hostname,
    'database.port': port,
    'database.user': username,
    'database.password': password,
    'database.dbname': pathname.slice(1),
    'offset.storage': 'org.apache.kafka.connect.storage.MemoryOffsetBackingStore',
  }
}

function connectProperties(text: string): Record<string, string> {
  const parsed = JSON.parse(text) as { config?: Record<string, string> } & Record<string, string>
  return parsed.config ?? parsed
}

/** As Debezium Server hands its own properties to the engine. */
function serverProperties(text: string): Record<string, string> {
  const properties: Record<string, string> = {
    'fairlead.mode': 'server',
    'fairlead.format.key': 'json',
    'fairlead.format.value': 'json',
    'fairlead.format.header': 'json',
  }
  for (const line of text.split('\n')) {
    const [, key = '', value = ''] = /^debezium\.([^=]+)=(.*)$/.exec(line) ?? []
    const [, part, rest] = /^format\.(key|value|header)(?:\.(.+))?$/.exec(key) ?? []
    const plain = value.replaceAll('\\\\', '\\')
    if (part !== undefined) {
      properties[rest === undefined ? `fairlead.${key}` : `${part}.converter.${rest}`] = plain
    } else if (key.startsWith('transforms')) properties[key] = plain
    else if (key.startsWith('source.')) properties[key.slice('source.'.length)] = plain
  }
  return properties
}
