import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { IncomingRecord } from '@fairlead/kafka'
import pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { fairlead } from '../support/cli.ts'
import { ROOT } from '../support/platform.ts'
import { RelayStack, headerOf } from '../support/relay-stack.ts'
import { type ComparableRecord, capturedRecord, comparable } from './comparable.ts'
import { golden, makeChanges, scenarios } from './scenario.ts'

const CONFIRMED_DEADLINE_MS = 120_000

let stack: RelayStack
let directory: string

beforeAll(async () => {
  stack = await RelayStack.start()
  directory = await mkdtemp(join(tmpdir(), 'fairlead-import-'))
})

afterAll(async () => {
  await stack[Symbol.asyncDispose]()
  await rm(directory, { recursive: true })
})

test.for(scenarios())('$name: the records are the ones that Debezium writes', async (scenario) => {
  const config = join(directory, `${scenario.name}.properties`)
  const imported = await fairlead([
    'relay',
    'import-debezium',
    scenario.configFile,
    '--write',
    config,
  ])
  expect(imported).toMatchObject({ exitCode: 0, stderr: '' })

  const database = scenario.name.replaceAll('-', '_')
  await stack.pool.query(`create database ${database}`)
  const url = new URL(stack.postgres.url)
  url.pathname = `/${database}`
  const client = new pg.Client({ connectionString: url.href })
  await client.connect()
  await client.query(scenario.setup)
  // Of this machine, and without the snapshot, which may read a row that the log brings as well; all else is
  // what was imported.
  const relay = stack.relay({
    config,
    'database.url': url.href,
    'slot.name': database,
    'snapshot.mode': 'no_data',
  })
  await stack.hasState(relay, 'streaming')
  await makeChanges(client, scenario)
  await stack.confirmed(CONFIRMED_DEADLINE_MS, database)
  await Promise.all([client.end(), relay.stop()])

  const expected = golden(scenario)
  const written = (await writtenBy(database, expected)).map((record, index) =>
    asFarAsKnown(comparable(capturedRecord(record)), expected[index]),
  )
  expect(written).toEqual(expected)
})

test('the commands of docs/relay.md work as printed', async () => {
  const text = await readFile(join(ROOT, 'docs/relay.md'), 'utf8')
  const [, block = ''] = /^```sh\n(.*?)^```/ms.exec(text) ?? []
  const commands = block.trim().split('\n')
  expect(commands.length).toBeGreaterThan(1)
  for (const command of commands) {
    const argv = command.split(' ').slice(2)
    expect(await fairlead(argv)).toMatchObject({ exitCode: 0 })
  }
})

test('what has no counterpart is told, and an exit code with --strict', async () => {
  const file = join(directory, 'connector.properties')
  await writeFile(
    file,
    'connector.class=io.debezium.connector.postgresql.PostgresConnector\nplugin.name=pgoutput\n' +
      'table.include.list=shop.outbox\nprovide.transaction.metadata=true\nno.such.key=1\n' +
      'transforms=unwrap\ntransforms.unwrap.type=io.debezium.transforms.ExtractNewRecordState\n',
  )
  const { exitCode, stdout } = await fairlead([
    'relay',
    'import-debezium',
    file,
    '--strict',
    '--output',
    'json',
  ])
  const { report } = JSON.parse(stdout) as {
    report: readonly { readonly key: string; readonly outcome: string }[]
  }
  const missing = report.filter(({ outcome }) => outcome === 'missing').map(({ key }) => key)
  expect(missing.toSorted()).toEqual(['no.such.key', 'transforms.unwrap'])
  expect(exitCode).toBe(5)
})

test('the configuration of another database is refused', async () => {
  const file = join(directory, 'mysql.json')
  await writeFile(file, '{"connector.class": "io.debezium.connector.mysql.MySqlConnector"}')
  const { exitCode, stderr } = await fairlead(['relay', 'import-debezium', file])
  expect(exitCode).toBe(2)
  expect(stderr).toContain('only Postgres is read here')
})

/** In the order of the log. The topics may hold records of other scenarios. */
async function writtenBy(
  slotName: string,
  expected: readonly ComparableRecord[],
): Promise<readonly IncomingRecord[]> {
  const records: IncomingRecord[] = []
  for (const topic of new Set(expected.map((record) => record.topic))) {
    records.push(...(await stack.records(topic)))
  }
  return records
    .filter((record) => headerOf(record, 'cdc.source')?.endsWith(`/${slotName}`) === true)
    .toSorted(byPosition)
}

/** Debezium leaves the partition to the producer, and most timestamps to the clock. */
function asFarAsKnown(
  record: ComparableRecord,
  expected: ComparableRecord | undefined,
): ComparableRecord {
  return {
    ...record,
    partition: expected?.partition === null ? null : record.partition,
    timestamp: expected?.timestamp === null ? null : record.timestamp,
  }
}

function byPosition(left: IncomingRecord, right: IncomingRecord): number {
  return positionOf(left) < positionOf(right) ? -1 : 1
}

/** In an order that text has, too. */
function positionOf(record: IncomingRecord): string {
  const [high = '', low = ''] = (headerOf(record, 'cdc.lsn') ?? '').split('/')
  const index = headerOf(record, 'cdc.seq') ?? ''
  return high.padStart(8, '0') + low.padStart(8, '0') + index.padStart(10, '0')
}
