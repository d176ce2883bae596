import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { IncomingRecord } from '@fairlead/kafka'
import pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { fairlead } from '../support/cli.ts'
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
  // Of this machine; all else is what was imported.
  const relay = stack.relay({ config, 'database.url': url.href, 'slot.name': database })
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
