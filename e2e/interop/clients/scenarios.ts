import { randomBytes, randomUUID } from 'node:crypto'
import { readBatchHeader } from '@fairlead/protocol'
import { expect } from 'vitest'
import { WireClient } from '../../support/wire-client.ts'
import { waitFor } from '../../support/wait-for.ts'
import type { Scenario } from './client.ts'
import { goesOnAfterKills } from './kill-scenario.ts'
import { dividesCooperatively, dividesPartitions, keepsStaticMembers } from './group-scenarios.ts'
import type { Compression, WireRecord } from './operations.ts'
import { base64, numbered, plain } from './records.ts'
import type { ScenarioContext } from './scenario-context.ts'

const FETCH_TIMEOUT_MS = 30_000
const PROPAGATION_TIMEOUT_MS = 20_000
const LARGE_VALUE_BYTES = 900_000

/** What each scenario does. Every one makes topics of its own, so that they share a broker. */
export const SCENARIO_STEPS: Readonly<
  Record<Scenario, (context: ScenarioContext) => Promise<void>>
> = {
  'compression none': (context) => compresses(context, 'none'),
  'compression gzip': (context) => compresses(context, 'gzip'),
  'compression snappy': (context) => compresses(context, 'snappy'),
  'compression lz4': (context) => compresses(context, 'lz4'),
  'compression zstd': (context) => compresses(context, 'zstd'),
  'headers, nulls': keepsHeadersAndNulls,
  'large batches': carriesLargeBatches,
  idempotent: producesIdempotently,
  group: dividesPartitions,
  cooperative: dividesCooperatively,
  'static member': keepsStaticMembers,
  admin: administers,
  transactions: transacts,
  'kill -9': goesOnAfterKills,
}

async function compresses(context: ScenarioContext, compression: Compression): Promise<void> {
  const topic = `compressed-${compression}`
  await context.createTopic(topic)
  const records = numbered(300, 'a value that repeats, a value that repeats')
  await roundTrip(context, { topic, compression, records })
  // A first batch of one record may be larger compressed, and is then sent as it is.
  expect(await storedCompressions(context, topic)).toContain(compression)
}

async function keepsHeadersAndNulls(context: ScenarioContext): Promise<void> {
  const topic = 'headers-and-nulls'
  await context.createTopic(topic)
  const records: readonly WireRecord[] = [
    { key: null, value: base64('no key'), headers: [] },
    { key: base64('deleted'), value: null, headers: [] },
    {
      key: base64('ключ'),
      value: base64('значение'),
      headers: [
        ['first', base64('1')],
        ['second', base64('zwei')],
      ],
    },
  ]
  await roundTrip(context, { topic, compression: 'none', records })
}

async function carriesLargeBatches(context: ScenarioContext): Promise<void> {
  const topic = 'large-batches'
  // Some clients put everything that is sent at once into one batch.
  await context.createTopic(topic, 1, { 'max.message.bytes': '10000000' })
  // Hexadecimal: kcat reads lines.
  const large = Array.from({ length: 3 }, (_, index) => ({
    ...plain(`large ${index}`),
    value: base64(randomBytes(LARGE_VALUE_BYTES / 2).toString('hex')),
  }))
  const records = [...numbered(5_000, 'x'.repeat(100)), ...large]
  await roundTrip(context, { topic, compression: 'none', records })
}

async function producesIdempotently(context: ScenarioContext): Promise<void> {
  const topic = 'idempotent'
  await context.createTopic(topic)
  const driver = context.driver()
  for (let round = 0; round < 3; round += 1) {
    const records = numbered(1_000, `round ${round}`)
    const request = { topic, partition: 0, compression: 'lz4', idempotent: true } as const
    const compression = context.client.lacks['compression lz4'] === undefined ? 'lz4' : 'gzip'
    await driver.ask('produce', { ...request, compression, records })
  }
  const stored = await context.stored(topic)
  const rounds = [0, 1, 2].flatMap((round) => numbered(1_000, `round ${round}`))
  expect(stored.map(({ value }) => value)).toEqual(rounds.map(({ value }) => value))
}

async function administers(context: ScenarioContext): Promise<void> {
  const driver = context.driver()
  const topic = 'administered'
  const lacks = (operation: string) => context.client.lacksOperations?.includes(operation) === true
  await driver.ask('createTopic', { topic, partitions: 3, config: { 'retention.ms': '1234567' } })
  await eventually(async () => (await driver.ask('listTopics', {})).topics.includes(topic))
  await eventually(async () => (await driver.ask('describeTopic', { topic })).partitions === 3)
  const config = { topic, name: 'retention.ms' }
  expect((await driver.ask('describeConfig', config)).value).toBe('1234567')
  await driver.ask('alterConfig', { ...config, value: '7654321' })
  await eventually(async () => (await driver.ask('describeConfig', config)).value === '7654321')
  await driver.ask('createPartitions', { topic, total: 5 })
  await eventually(async () => (await driver.ask('describeTopic', { topic })).partitions === 5)

  const produced = { topic, partition: 0, compression: 'none', idempotent: false } as const
  await driver.ask('produce', { ...produced, records: numbered(10, 'deleted') })
  if (!lacks('deleteRecords')) {
    await driver.ask('deleteRecords', { topic, partition: 0, before: 7 })
    expect((await context.stored(topic)).map(({ offset }) => offset)).toEqual([7, 8, 9])
  }

  const group = 'administered-group'
  const member = { group, topic, instanceId: null, cooperative: false }
  await driver.ask('join', member)
  const polled = async () => (await driver.ask('poll', { timeoutMs: 500 })).records.length > 0
  await waitFor('a record', FETCH_TIMEOUT_MS, polled)
  await driver.ask('commit', {})
  await driver.ask('leave', {})
  expect((await driver.ask('listGroups', {})).groups).toContain(group)
  expect((await driver.ask('committed', { group, topic })).offsets).toMatchObject({ 0: 10 })
  if (!lacks('deleteGroup')) {
    await driver.ask('deleteGroup', { group })
    expect((await driver.ask('listGroups', {})).groups).not.toContain(group)
  }
  await driver.ask('deleteTopic', { topic })
  await eventually(async () => !(await driver.ask('listTopics', {})).topics.includes(topic))
}

/**
 * A broker without transactions refuses them, in words of its own and at once, and none of the records
 * is there; one with them makes the records of a commit readable.
 */
async function transacts(context: ScenarioContext): Promise<void> {
  const topic = 'transacted'
  await context.createTopic(topic)
  const transaction = { topic, partition: 0, transactionalId: 'tx', commit: true }
  const records = numbered(3, 'transacted')
  const refusal = await context
    .driver()
    .ask('transact', { ...transaction, records })
    .catch((error: unknown) => String(error))
  const isSupported = await supportsTransactions(context)
  const values = (await context.stored(topic)).map(({ value }) => value)
  if (isSupported) expect(refusal).toMatchObject({ ok: true })
  else expect(refusal).toMatch(/^Error: transact: /)
  expect(values).toEqual(isSupported ? records.map(({ value }) => value) : [])
}

/** Whether the broker gives a transactional id a producer. */
async function supportsTransactions({ server }: ScenarioContext): Promise<boolean> {
  await using wire = await WireClient.connect(server.address)
  const { errorCode } = await wire.request('InitProducerId', 4, {
    transactionalId: randomUUID(),
    transactionTimeoutMs: 10_000,
  })
  return errorCode === 'NONE'
}

async function roundTrip(
  context: ScenarioContext,
  given: {
    readonly topic: string
    readonly compression: Compression
    readonly records: readonly WireRecord[]
  },
): Promise<void> {
  const { topic, compression, records } = given
  const driver = context.driver()
  const request = { topic, partition: 0, compression, idempotent: false, records }
  const { offsets } = await driver.ask('produce', request)
  expect(offsets).toHaveLength(records.length)
  const where = { topic, partition: 0, offset: 0, timeoutMs: FETCH_TIMEOUT_MS }
  const fetched = await driver.ask('fetch', { ...where, count: records.length })
  const expected = records.map((record, offset) => ({ partition: 0, offset, ...record }))
  expect(fetched.records).toEqual(expected)
  expect(await context.stored(topic)).toEqual(expected)
}

/** The codec of the first batch, as it lies in the log: some clients drop compression silently. */
/** Of all batches of partition 0. */
async function storedCompressions(
  { server }: ScenarioContext,
  topic: string,
): Promise<readonly string[]> {
  await using wire = await WireClient.connect(server.address)
  const partition = { partition: 0, fetchOffset: 0, partitionMaxBytes: 1_000_000 }
  const { responses } = await wire.request('Fetch', 11, {
    maxWaitMs: 1_000,
    minBytes: 1,
    maxBytes: 1_000_000,
    topics: [{ topic, partitions: [partition] }],
    forgottenTopicsData: [],
  })
  const bytes = responses[0]?.partitions[0]?.records ?? new Uint8Array()
  const compressions: string[] = []
  for (let position = 0; position < bytes.length; ) {
    const header = readBatchHeader(bytes, position)
    compressions.push(header.compression)
    position += header.sizeBytes
  }
  return compressions
}

/** Metadata reaches clients with a delay, on Apache Kafka as well. */
const eventually = (condition: () => Promise<boolean>): Promise<void> =>
  waitFor('the change to be seen', PROPAGATION_TIMEOUT_MS, condition)
