import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { APACHE_KAFKA_VERSION, apacheKafkaAbsence, kafkaTool } from '../support/apache-kafka.ts'
import { BrokerProcess } from '../support/broker-process.ts'
import { waitFor } from '../support/wait-for.ts'

/** The scripts of Kafka's `bin/` folder and the classes that they run. */
const CLASSES = {
  'kafka-broker-api-versions': 'BrokerApiVersionsCommand',
  'kafka-cluster': 'ClusterTool',
  'kafka-configs': 'ConfigCommand',
  'kafka-console-consumer': 'consumer.ConsoleConsumer',
  'kafka-console-producer': 'ConsoleProducer',
  'kafka-consumer-groups': 'consumer.group.ConsumerGroupCommand',
  'kafka-consumer-perf-test': 'ConsumerPerformance',
  'kafka-delete-records': 'DeleteRecordsCommand',
  'kafka-dump-log': 'DumpLogSegments',
  'kafka-e2e-latency': 'EndToEndLatency',
  'kafka-get-offsets': 'GetOffsetShell',
  'kafka-groups': 'GroupsCommand',
  'kafka-log-dirs': 'LogDirsCommand',
  'kafka-producer-perf-test': 'ProducerPerformance',
  'kafka-topics': 'TopicCommand',
  'kafka-transactions': 'TransactionsCommand',
  'kafka-verifiable-consumer': 'VerifiableConsumer',
  'kafka-verifiable-producer': 'VerifiableProducer',
} as const

type Tool = keyof typeof CLASSES

let broker: BrokerProcess
let directory: string

/** What a tool prints; fails with its complaints when it fails. */
async function tool(name: Tool, args: readonly string[], input = ''): Promise<string> {
  const result = await kafkaTool(`org.apache.kafka.tools.${CLASSES[name]}`, args, { input })
  expect(result.exitCode, `${name}: ${result.output}${result.complaints}`).toBe(0)
  return result.output
}

const onBroker = (name: Tool, ...args: readonly string[]): Promise<string> =>
  tool(name, ['--bootstrap-server', broker.address, ...args])

const createTopic = (topic: string, ...args: readonly string[]): Promise<string> =>
  onBroker('kafka-topics', '--create', '--topic', topic, ...args)

function produce(topic: string, lines: readonly string[]): Promise<string> {
  const properties = ['parse.key=true', 'key.separator=:']
  const flags = properties.flatMap((property) => ['--reader-property', property])
  const target = ['--bootstrap-server', broker.address, '--topic', topic]
  return tool('kafka-console-producer', [...target, ...flags], lines.join('\n'))
}

function consume(topic: string, count: number, ...args: readonly string[]): Promise<string> {
  const limits = ['--from-beginning', '--max-messages', `${count}`, '--timeout-ms', '30000']
  return onBroker('kafka-console-consumer', '--topic', topic, ...limits, ...args)
}

/** The rows of a table that a tool prints, cell by cell. */
const rows = (text: string): string[][] =>
  text
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line) => line.trim().split(/\s+/))

describe.skipIf(apacheKafkaAbsence())(`the tools of Apache Kafka ${APACHE_KAFKA_VERSION}`, () => {
  beforeAll(async () => {
    broker = await BrokerProcess.start({ 'num.partitions': 1, 'log.cleaner.backoff.ms': 50 })
    directory = await mkdtemp(join(tmpdir(), 'fairlead-tools-'))
  })
  afterAll(async () => {
    await broker.stop()
    await rm(directory, { recursive: true })
  })

  test('kafka-topics creates, describes, alters, lists and deletes', async () => {
    const created = await createTopic('made', '--partitions', '3', '--config', 'retention.ms=12345')
    expect(created).toBe('Created topic made.\n')
    const described = await onBroker('kafka-topics', '--describe', '--topic', 'made')
    expect(described).toMatch(
      /^Topic: made\tTopicId: \S{22}\tPartitionCount: 3\tReplicationFactor: 1\tConfigs: .*retention.ms=12345/,
    )
    expect(described.match(/Leader: 1\tReplicas: 1\tIsr: 1/g)).toHaveLength(3)
    await onBroker('kafka-topics', '--alter', '--topic', 'made', '--partitions', '5')
    const grown = await onBroker('kafka-topics', '--describe', '--topic', 'made')
    expect(grown).toContain('PartitionCount: 5')
    expect((await onBroker('kafka-topics', '--list')).split('\n')).toContain('made')
    await onBroker('kafka-topics', '--delete', '--topic', 'made')
    expect((await onBroker('kafka-topics', '--list')).split('\n')).not.toContain('made')
  })

  test('kafka-topics tells why a topic cannot be made', async () => {
    const attempts = [
      { args: ['--topic', 'no/slash'], reason: 'InvalidTopicException' },
      {
        args: ['--topic', 'odd', '--replication-factor', '3'],
        reason: 'InvalidReplicationFactorException',
      },
      { args: ['--topic', 'odd', '--config', 'retention.ms=x'], reason: 'ConfigException' },
    ]
    for (const { args, reason } of attempts) {
      const server = ['--bootstrap-server', broker.address]
      const { output, complaints, exitCode } = await kafkaTool(
        'org.apache.kafka.tools.TopicCommand',
        [...server, '--create', ...args],
      )
      expect(exitCode, args.join(' ')).toBe(1)
      expect(output + complaints).toContain(reason)
    }
  })

  test('kafka-configs sets, describes and removes the configuration of topics', async () => {
    await createTopic('configured')
    const entity = ['--entity-type', 'topics', '--entity-name', 'configured']
    const settings = 'retention.ms=7654321,cleanup.policy=[compact,delete]'
    await onBroker('kafka-configs', ...entity, '--alter', '--add-config', settings)
    const dynamic = await onBroker('kafka-configs', ...entity, '--describe')
    expect(dynamic).toContain('retention.ms=7654321 sensitive=false')
    expect(dynamic).toContain('cleanup.policy=compact,delete')
    await onBroker('kafka-configs', ...entity, '--alter', '--delete-config', 'retention.ms')
    const left = await onBroker('kafka-configs', ...entity, '--describe')
    expect(left).not.toContain('retention.ms')
    const all = await onBroker('kafka-configs', ...entity, '--describe', '--all')
    expect(all).toMatch(/segment.bytes=1073741824 sensitive=false synonyms=\{DEFAULT_CONFIG:/)
  })

  test('kafka-configs sets and describes the configuration of the broker', async () => {
    const entity = ['--entity-type', 'brokers', '--entity-name', '1']
    await onBroker('kafka-configs', ...entity, '--alter', '--add-config', 'log.retention.ms=999999')
    const dynamic = await onBroker('kafka-configs', ...entity, '--describe')
    expect(dynamic).toMatch(
      /log.retention.ms=999999 .*DYNAMIC_BROKER_CONFIG:log.retention.ms=999999/,
    )
    const all = await onBroker('kafka-configs', ...entity, '--describe', '--all')
    expect(all).toContain('num.partitions=1')
  })

  test.for([
    {
      who: ['--entity-type', 'clients', '--entity-name', 'app'],
      quota: 'producer_byte_rate=1000000',
      shown: /client-id 'app' are .*producer_byte_rate=1000000/,
    },
    {
      who: [
        '--entity-type',
        'users',
        '--entity-name',
        'alice',
        '--entity-type',
        'clients',
        '--entity-default',
      ],
      quota: 'request_percentage=50.5',
      shown: /user-principal 'alice', the default client-id are .*request_percentage=50.5/,
    },
    {
      who: ['--entity-type', 'users', '--entity-default'],
      quota: 'controller_mutation_rate=100',
      shown: /the default user-principal are .*controller_mutation_rate=100/,
    },
    {
      who: ['--entity-type', 'ips', '--entity-name', '10.9.8.7'],
      quota: 'connection_creation_rate=100',
      shown: /ip '10.9.8.7' are .*connection_creation_rate=100/,
    },
  ])('kafka-configs sets, describes and removes $quota', async ({ who, quota, shown }) => {
    const [name = ''] = quota.split('=')
    await onBroker('kafka-configs', ...who, '--alter', '--add-config', quota)
    expect(await onBroker('kafka-configs', ...who, '--describe')).toMatch(shown)
    await onBroker('kafka-configs', ...who, '--alter', '--delete-config', name)
    expect(await onBroker('kafka-configs', ...who, '--describe')).not.toContain(name)
  })

  test('kafka-configs describes the quotas of all users, which have no SCRAM credentials', async () => {
    const bob = ['--entity-type', 'users', '--entity-name', 'bob']
    await onBroker('kafka-configs', ...bob, '--alter', '--add-config', 'consumer_byte_rate=5000000')
    const all = await onBroker('kafka-configs', '--entity-type', 'users', '--describe')
    expect(all).toMatch(/user-principal 'bob' are .*consumer_byte_rate=5000000/)
  })

  test('the console producer writes what the console consumer reads', async () => {
    await createTopic('spoken', '--partitions', '2')
    await produce('spoken', ['a:eins', 'b:zwei', 'a:drei'])
    const formatter = ['--formatter-property', 'print.key=true']
    const read = await consume('spoken', 3, ...formatter)
    expect(read.trim().split('\n').sort()).toEqual(['a\tdrei', 'a\teins', 'b\tzwei'])
  })

  test('kafka-consumer-groups lists, describes, resets and deletes', async () => {
    await createTopic('grouped', '--partitions', '2')
    await produce('grouped', ['a:1', 'b:2', 'c:3', 'd:4', 'e:5'])
    await consume('grouped', 5, '--group', 'readers')
    const groups = (...args: readonly string[]) => onBroker('kafka-consumer-groups', ...args)
    expect((await groups('--list')).split('\n')).toContain('readers')
    const group = ['--group', 'readers']
    const offsets = rows(await groups('--describe', ...group)).filter(
      ([name]) => name === 'readers',
    )
    const sum = (column: number) => offsets.reduce((total, row) => total + Number(row[column]), 0)
    expect(offsets).toHaveLength(2)
    expect([sum(3), sum(4), sum(5)]).toEqual([5, 5, 0])
    expect(await groups('--describe', ...group, '--state')).toMatch(/Empty +0\n/)
    expect(await groups('--describe', ...group, '--members')).not.toContain('consumer-')

    const target = [...group, '--topic', 'grouped']
    await groups('--reset-offsets', ...target, '--to-earliest', '--execute')
    const reset = rows(await groups('--describe', ...group)).filter(([name]) => name === 'readers')
    expect(reset.map((row) => row[3])).toEqual(['0', '0'])
    const forgotten = await groups('--delete-offsets', ...target)
    expect(forgotten).toContain('Request succeeded for deleting offsets from group readers.')
    expect(await groups('--delete', ...group)).toContain('was successful')
    expect((await groups('--list')).split('\n')).not.toContain('readers')
  })

  test('kafka-get-offsets and kafka-delete-records agree on where a log starts and ends', async () => {
    await createTopic('trimmed')
    await produce('trimmed', ['a:1', 'b:2', 'c:3'])
    const file = join(directory, 'offsets.json')
    const partitions = [{ topic: 'trimmed', partition: 0, offset: 2 }]
    await writeFile(file, JSON.stringify({ partitions, version: 1 }))
    const deleted = await onBroker('kafka-delete-records', '--offset-json-file', file)
    expect(deleted).toContain('partition: trimmed-0\tlow_watermark: 2')
    const offsets = (time: string) =>
      onBroker('kafka-get-offsets', '--topic', 'trimmed', '--time', time)
    expect(await offsets('earliest')).toBe('trimmed:0:2\n')
    expect(await offsets('latest')).toBe('trimmed:0:3\n')
  })

  test('kafka-producer-perf-test and kafka-consumer-perf-test finish', async () => {
    await createTopic('loaded', '--partitions', '3')
    const load = ['--num-records', '20000', '--record-size', '100', '--throughput', '-1']
    const server = `bootstrap.servers=${broker.address}`
    const properties = ['acks=all', 'compression.type=lz4', server]
    const flags = properties.flatMap((property) => ['--command-property', property])
    const produced = await tool('kafka-producer-perf-test', [
      '--topic',
      'loaded',
      ...load,
      ...flags,
    ])
    expect(produced).toMatch(/^20000 records sent, [\d.]+ records\/sec/m)
    const read = ['--topic', 'loaded', '--num-records', '20000', '--timeout', '120000']
    const consumed = rows(await onBroker('kafka-consumer-perf-test', ...read)).at(-1)
    expect(consumed?.join(' ')).toContain(' 20000,')
  })

  test('kafka-verifiable-producer and -consumer agree', async () => {
    await createTopic('verified')
    const writing = ['--topic', 'verified', '--max-messages', '500', '--acks', '-1']
    const produced = await onBroker('kafka-verifiable-producer', ...writing)
    expect(produced.match(/"name":"producer_send_success"/g)).toHaveLength(500)
    expect(produced).toContain('"sent":500,"acked":500')
    const group = ['--group-id', 'verifiers', '--reset-policy', 'earliest']
    const reading = ['--topic', 'verified', '--max-messages', '500', ...group]
    const consumed = await onBroker('kafka-verifiable-consumer', ...reading)
    expect(consumed).toContain('"offset":500}],"success":true')
    expect(consumed).not.toContain('"success":false')
  })

  test('kafka-e2e-latency measures', async () => {
    await createTopic('measured')
    const load = ['--num-records', '100', '--producer-acks', 'all', '--record-size', '100']
    const measured = await onBroker('kafka-e2e-latency', '--topic', 'measured', ...load)
    expect(measured).toMatch(/^Percentiles: 50th = \d+, 99th = \d+/m)
  })

  test('kafka-dump-log reads a log, and the offsets and groups of the internal topic', async () => {
    await createTopic('dumped')
    await produce('dumped', ['a:eins', 'b:zwei'])
    await consume('dumped', 2, '--group', 'dumpers')
    const dump = (folder: string, ...args: readonly string[]) =>
      tool('kafka-dump-log', ['--files', segmentOf(folder), ...args])
    const records = await dump('dumped-0', '--print-data-log', '--deep-iteration')
    expect(records).toMatch(
      /^baseOffset: 0 .* magic: 2 compresscodec: none crc: \d+ isvalid: true$/m,
    )
    expect(records).toMatch(/offset: 0 .* key: a payload: eins$/m)
    expect(records).toMatch(/offset: 1 .* key: b payload: zwei$/m)
    const folders = (await readdir(broker.logDirectory)).filter((name) =>
      name.startsWith('__consumer_offsets-'),
    )
    const files = folders.map(segmentOf).join(',')
    const text = await tool('kafka-dump-log', ['--files', files, '--offsets-decoder'])
    expect(text).toContain('"type":"1","data":{"group":"dumpers","topic":"dumped","partition":0}')
    expect(text).toContain('"type":"2","data":{"group":"dumpers"}')
  })

  test('kafka-dump-log reads a segment that was compacted', async () => {
    const settings = ['cleanup.policy=compact', 'segment.ms=100', 'min.cleanable.dirty.ratio=0.01']
    await createTopic('compacted', ...settings.flatMap((setting) => ['--config', setting]))
    const lines = (round: number) =>
      Array.from({ length: 20 }, (_, index) => `key${index}:round${round}`)
    // The third begins the segment that takes the appends: the others are closed.
    for (const round of [1, 2, 3]) await produce('compacted', lines(round))
    const dump = () =>
      tool('kafka-dump-log', ['--files', segmentOf('compacted-0'), '--print-data-log'])
    let dumped = ''
    await waitFor('the segments to be compacted', 60_000, async () => {
      dumped = await dump()
      return !dumped.includes('payload: round1')
    })
    const kept = [...dumped.matchAll(/ offset: (\d+) .* key: (\w+) payload: (\w+)$/gm)]
    expect(kept.map(([, offset, key, payload]) => [Number(offset), key, payload])).toEqual(
      lines(2).map((line, index) => [20 + index, ...line.split(':')]),
    )
    expect(dumped).not.toContain('isvalid: false')
  })

  test('kafka-log-dirs tells the size of a partition', async () => {
    await createTopic('sized')
    await produce('sized', ['a:eins'])
    const described = await onBroker('kafka-log-dirs', '--describe', '--topic-list', 'sized')
    const json = described.split('\n').find((line) => line.startsWith('{')) ?? ''
    const { brokers } = JSON.parse(json) as {
      readonly brokers: readonly {
        readonly logDirs: readonly { readonly partitions: unknown[] }[]
      }[]
    }
    expect(brokers[0]?.logDirs[0]?.partitions).toMatchObject([
      { partition: 'sized-0', offsetLag: 0 },
    ])
  })

  test('kafka-groups, kafka-cluster, kafka-transactions and -broker-api-versions answer', async () => {
    await createTopic('asked')
    await produce('asked', ['a:1'])
    await consume('asked', 1, '--group', 'askers')
    expect(await onBroker('kafka-groups', '--list')).toMatch(/^askers +Classic +consumer/m)
    const server = ['--bootstrap-server', broker.address]
    const cluster = await tool('kafka-cluster', ['cluster-id', ...server])
    expect(cluster).toMatch(/^Cluster ID: \S{22}$/m)
    const transactions = await onBroker('kafka-transactions', 'list')
    expect(rows(transactions)).toHaveLength(1)
    const versions = await onBroker('kafka-broker-api-versions')
    expect(versions).toContain('Produce(0): 0 to 13 [usable: 13]')
    expect(versions).not.toMatch(/usable: (UNSUPPORTED)?\]/)
  })
})

const segmentOf = (folder: string): string =>
  join(broker.logDirectory, folder, '00000000000000000000.log')
