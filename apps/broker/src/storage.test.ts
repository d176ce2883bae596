import {
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { ZERO_UUID, crc32c, encodeBatch } from '@fairlead/protocol'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { breakableDisk } from './testing/breakable-disk.test-fixture.ts'
import * as traffic from './testing/log-traffic.ts'
import {
  type TestBroker,
  removeDirectory,
  startTestBroker,
  temporaryDirectory,
} from './testing/test-broker.ts'
import { TestClient } from './testing/test-client.ts'

const TOPIC = 'orders'
const WAIT_MS = 60_000
const OFFLINE_COUNT = 'kafka_controller_kafkacontroller_offlinepartitionscount'
const cleanups: (() => Promise<void> | void)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

function directory(): string {
  const path = temporaryDirectory()
  cleanups.push(() => removeDirectory(path))
  return path
}

async function started(...args: Parameters<typeof startTestBroker>) {
  const broker = await startTestBroker(...args)
  const client = new TestClient(broker.port)
  let isStopped = false
  const stop = async (): Promise<void> => {
    if (isStopped) return
    isStopped = true
    client.close()
    await broker.stop()
  }
  cleanups.push(stop)
  return { broker, client, stop }
}

/** On a connection of its own, which may end instead. */
async function commit({ port }: TestBroker, committedOffset: number) {
  const partitions = [{ partitionIndex: 0, committedOffset, committedMetadata: '' }]
  const client = new TestClient(port)
  try {
    const { topics } = await client.call(
      'OffsetCommit',
      {
        groupId: 'group',
        generationIdOrMemberEpoch: -1,
        memberId: '',
        groupInstanceId: null,
        topics: [{ name: TOPIC, partitions }],
      },
      7,
    )
    return topics[0]?.partitions[0]?.errorCode
  } catch {
    return 'the connection ended'
  } finally {
    client.close()
  }
}

async function committed(client: TestClient): Promise<number | undefined> {
  const topics = [{ name: TOPIC, partitionIndexes: [0] }]
  const { groups } = await client.call('OffsetFetch', { groups: [{ groupId: 'group', topics }] }, 8)
  return groups[0]?.topics[0]?.partitions[0]?.committedOffset
}

async function createTopic(
  client: TestClient,
  numPartitions: number,
  errorCode = 'NONE',
): Promise<void> {
  const topic = { name: TOPIC, numPartitions, replicationFactor: 1, assignments: [], configs: [] }
  const created = await client.call('CreateTopics', {
    topics: [topic],
    timeoutMs: 10_000,
    validateOnly: false,
  })
  expect(created.topics).toMatchObject([{ errorCode }])
}

async function deleteTopic(client: TestClient): Promise<void> {
  const request = { topics: [{ name: TOPIC, topicId: ZERO_UUID }], timeoutMs: 10_000 }
  const { responses } = await client.call('DeleteTopics', request)
  expect(responses).toMatchObject([{ errorCode: 'NONE' }])
}

async function makeCompacted(client: TestClient, resourceName: string): Promise<void> {
  const configs = [
    { name: 'cleanup.policy', configOperation: 0, value: 'compact' },
    { name: 'min.cleanable.dirty.ratio', configOperation: 0, value: '0' },
  ]
  const resources = [{ resourceType: 2, resourceName, configs }]
  const altered = await client.call('IncrementalAlterConfigs', { resources, validateOnly: false })
  expect(altered.responses).toMatchObject([{ errorCode: 'NONE' }])
}

/** The answer of each of `partitions` to one record. */
async function produce(client: TestClient, partitions: readonly number[]): Promise<string[]> {
  const record = { key: null, value: Buffer.alloc(100), headers: [], timestampMs: Date.now() }
  const partitionData = partitions.map((index) => ({
    index,
    records: encodeBatch({ records: [record] }, crc32c),
  }))
  const topicData = [{ name: TOPIC, partitionData }]
  const request = { transactionalId: null, acks: -1, timeoutMs: 10_000, topicData }
  const { responses } = await client.call('Produce', request, 9)
  return responses[0]?.partitionResponses.map(({ errorCode }) => errorCode) ?? []
}

async function fetchErrors(
  client: TestClient,
  partitions: readonly number[],
  fetchOffset = 0,
): Promise<string[]> {
  const { responses } = await client.call(
    'Fetch',
    {
      maxWaitMs: 0,
      minBytes: 0,
      maxBytes: 1e6,
      topics: [
        {
          topic: TOPIC,
          partitions: partitions.map((partition) => ({
            partition,
            fetchOffset,
            partitionMaxBytes: 1e6,
          })),
        },
      ],
    },
    11,
  )
  return responses[0]?.partitions.map(({ errorCode }) => errorCode) ?? []
}

async function metric(broker: TestBroker, name: string): Promise<string | undefined> {
  const text = await broker.metrics.registry.metrics()
  return text.split('\n').find((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `))
}

describe('several directories', () => {
  test('share the partitions, and know them again after a restart', async () => {
    const dirs = [directory(), directory()]
    const first = await started(dirs.join(','))
    await createTopic(first.client, 4)
    expect(await produce(first.client, [0, 1, 2, 3])).toEqual(Array(4).fill('NONE'))
    const logs = () =>
      dirs.map((path) => readdirSync(path).filter((name) => name.startsWith(TOPIC)))
    const placed = logs()
    expect(placed.map((names) => names.length)).toEqual([2, 2])
    await first.stop()

    const second = await started(dirs.join(','))
    expect(await produce(second.client, [0, 1, 2, 3])).toEqual(Array(4).fill('NONE'))
    expect(logs()).toEqual(placed)
    const { results } = await second.client.call('DescribeLogDirs', { topics: null })
    expect(results.map(({ errorCode, logDir }) => [errorCode, logDir])).toEqual(
      dirs.map((path) => ['NONE', path]),
    )
  })

  test.for(['write', 'datasync'] as const)(
    'go on without the one whose %s failed; without any, the broker ends',
    async (kind) => {
      const dirs = [directory(), directory()]
      const disk = breakableDisk()
      const { broker, client } = await started(dirs.join(','), {}, { disk })
      await createTopic(client, 4)
      const isIn = (path: string, partition: number) =>
        existsSync(join(path, `${TOPIC}-${partition}`))
      const all = [0, 1, 2, 3]
      const lost = all.filter((partition) => isIn(dirs[1] ?? '', partition))
      const expected = all.map((partition) =>
        lost.includes(partition) ? 'KAFKA_STORAGE_ERROR' : 'NONE',
      )
      disk.breakWith = (operation) =>
        operation.kind === kind && operation.path.startsWith(dirs[1] ?? '') ? 'EIO' : undefined
      await produce(client, lost.slice(0, 1))
      disk.breakWith = () => undefined
      // It is not touched again, though it would work.
      expect(await produce(client, all)).toEqual(expected)
      expect(await fetchErrors(client, all)).toEqual(expected)
      const { topics } = await client.call('Metadata', { topics: [{ name: TOPIC }] }, 9)
      const leaders = topics[0]?.partitions.map(({ leaderId }) => leaderId)
      expect(leaders).toEqual(all.map((partition) => (lost.includes(partition) ? -1 : 1)))
      expect(
        await metric(broker, 'kafka_controller_kafkacontroller_offlinepartitionscount'),
      ).toMatch(/ 2$/)
      expect(broker.warnings.filter((line) => line.includes('log.dirs failed'))).toHaveLength(1)
      expect(broker.failures).toEqual([])

      disk.breakWith = (operation) => (operation.kind === kind ? 'EIO' : undefined)
      await produce(client, all)
      expect(String(broker.failures[0])).toContain('the directory of the metadata failed')
      disk.breakWith = () => undefined
    },
  )

  test.for([
    ['a compaction', { 'log.cleaner.backoff.ms': '20', 'log.scrub.enable': 'false' }],
    ['a scrub', { 'log.scrub.interval.ms': '50', 'log.cleaner.enable': 'false' }],
  ] as const)('go on without the one that %s cannot read', async ([, settings]) => {
    const dirs = [directory(), directory()]
    const { broker, client } = await started(dirs.join(','), settings)
    const topicId = await traffic.createTopic(client)
    await traffic.produce(client, topicId, 0, 200)
    const [, second = ''] = traffic.segmentPaths(dirs[1] ?? '')
    renameSync(second, `${second}.away`)
    mkdirSync(second)
    await makeCompacted(client, traffic.TOPIC)
    await vi.waitFor(() => expect(broker.warnings.join()).toContain('log.dirs failed'), {
      timeout: WAIT_MS,
      interval: 20,
    })
    expect(await traffic.fetchAt(client, topicId, 0)).toMatchObject({
      errorCode: 'KAFKA_STORAGE_ERROR',
    })
    await createTopic(client, 1)
    expect(await produce(client, [0])).toEqual(['NONE'])
    expect(broker.failures).toEqual([])
  })

  test.for(['EIO', 'ENOSPC'])(
    'never give a new topic the records of one whose deletion ended with %s',
    async (code) => {
      const dirs = [directory(), directory()]
      const disk = breakableDisk()
      const { broker, client, stop } = await started(dirs.join(','), {}, { disk })
      await createTopic(client, 2)
      await produce(client, [0, 1])
      disk.breakWith = ({ kind, path }) =>
        kind === 'rename' && path.startsWith(dirs[1] ?? '') ? code : undefined
      await deleteTopic(client)
      await createTopic(client, 2, 'KAFKA_STORAGE_ERROR')
      expect(await produce(client, [0])).toEqual(['UNKNOWN_TOPIC_OR_PARTITION'])
      const asked = { topics: [{ name: TOPIC }], allowAutoTopicCreation: true }
      const { topics } = await client.call('Metadata', asked)
      expect(topics.map(({ errorCode }) => errorCode)).toEqual(['KAFKA_STORAGE_ERROR'])
      disk.breakWith = () => undefined
      // A directory that failed is not touched again before the next start.
      await createTopic(client, 2, code === 'EIO' ? 'KAFKA_STORAGE_ERROR' : 'NONE')
      expect(broker.failures).toEqual([])
      await stop()
      const { client: later } = await started(dirs.join(','))
      if (code === 'EIO') await createTopic(later, 2)
      expect(await fetchErrors(later, [0, 1], 1)).toEqual(Array(2).fill('OFFSET_OUT_OF_RANGE'))
      expect(await produce(later, [0, 1])).toEqual(['NONE', 'NONE'])
    },
  )

  test('give a topic its own log when one that was away has another of its name', async () => {
    const dirs = [directory(), directory()]
    const [, second = ''] = dirs
    const first = await started(dirs.join(','))
    await createTopic(first.client, 2)
    await produce(first.client, [0, 1])
    await first.stop()
    renameSync(second, `${second}.away`)
    writeFileSync(second, '')
    const { broker, client, stop } = await started(dirs[0] ?? '')
    await deleteTopic(client)
    await createTopic(client, 2)
    expect(await produce(client, [0, 1])).toEqual(['NONE', 'NONE'])
    expect(await produce(client, [0, 1])).toEqual(['NONE', 'NONE'])
    expect(broker.failures).toEqual([])
    await stop()
    rmSync(second)
    renameSync(`${second}.away`, second)

    const later = await started(dirs.join(','))
    expect(await fetchErrors(later.client, [0, 1], 2)).toEqual(['NONE', 'NONE'])
    expect(readdirSync(second).filter((name) => name.startsWith(TOPIC))).toEqual([
      expect.stringMatching(/^orders-\d\.\d+-stray$/),
    ])
    expect(later.broker.warnings.join()).toContain('was set aside')
    await later.stop()
    const again = await started(dirs.join(','))
    expect(await fetchErrors(again.client, [0, 1], 2)).toEqual(['NONE', 'NONE'])
  })

  test('prefer the log that says of which topic it is to one that does not', async () => {
    const dirs = [directory(), directory()]
    const { client, stop } = await started(dirs.join(','))
    await createTopic(client, 1)
    await produce(client, [0])
    await stop()
    const at = (path: string) => join(path, `${TOPIC}-0`)
    const [home = '', other = ''] = dirs.toSorted((path) => (existsSync(at(path)) ? -1 : 1))
    cpSync(at(home), at(other), { recursive: true })
    await expect(startTestBroker(dirs.join(','))).rejects.toThrow(/orders-0 is in .* and in/)
    rmSync(join(at(home), 'partition.metadata'))
    const { client: later } = await started(dirs.join(','))
    expect(await fetchErrors(later, [0], 1)).toEqual(['NONE'])
    expect([existsSync(at(home)), existsSync(at(other))]).toEqual([false, true])
  })

  test('refuse a partition that is in two of them', async () => {
    const dirs = [directory(), directory()]
    const { client, stop } = await started(dirs[0] ?? '')
    await createTopic(client, 1)
    await stop()
    const other = await started(dirs[1] ?? '', { 'cluster.id': clusterIdOf(dirs[0] ?? '') })
    await createTopic(other.client, 1)
    await other.stop()
    await expect(startTestBroker(dirs.join(','))).rejects.toThrow(/is in .* and in/)
  })
})

function clusterIdOf(path: string): string {
  const text = readFileSync(join(path, 'meta.properties'), 'utf8')
  return /^cluster\.id=(.*)$/m.exec(text)?.[1] ?? ''
}

describe('a corrupt log', () => {
  test('is not served and not cut; the others are, and its topic can be deleted', async () => {
    const path = directory()
    const first = await started(path)
    await createTopic(first.client, 2)
    for (const _ of [1, 2, 3]) await produce(first.client, [0, 1])
    await first.stop()
    const segment = join(path, `${TOPIC}-1`, '00000000000000000000.log')
    truncateSync(segment, 50)

    const { broker, client } = await started(path)
    expect(await produce(client, [0, 1])).toEqual(['NONE', 'KAFKA_STORAGE_ERROR'])
    expect(await fetchErrors(client, [0, 1])).toEqual(['NONE', 'KAFKA_STORAGE_ERROR'])
    expect(statSync(segment).size).toBe(50)
    expect(broker.warnings.join()).toContain('a partition is not served')
    expect(await metric(broker, OFFLINE_COUNT)).toMatch(/ 1$/)
    await deleteTopic(client)
    expect(readdirSync(path).filter((name) => name.startsWith(TOPIC))).toEqual([])
    await createTopic(client, 2)
    expect(await produce(client, [0, 1])).toEqual(['NONE', 'NONE'])
    expect(broker.failures).toEqual([])
  })
})

describe.for(['EMFILE', 'ENOSPC', 'EDQUOT'])('a partition whose creation ends with %s', (code) => {
  const unlucky = `${TOPIC}-1`
  async function createdInVain(path: string) {
    const disk = breakableDisk()
    const it = await started(path, {}, { disk })
    disk.breakWith = (operation) =>
      operation.kind === 'makeDirectory' && operation.path.endsWith(unlucky) ? code : undefined
    await createTopic(it.client, 2, 'KAFKA_STORAGE_ERROR')
    expect(await produce(it.client, [0, 1])).toEqual(['NONE', 'KAFKA_STORAGE_ERROR'])
    return { ...it, disk }
  }

  test('is offline alone until there is room', async () => {
    const { broker, client, disk } = await createdInVain(directory())
    await createTopic(client, 2, 'TOPIC_ALREADY_EXISTS')
    expect(await metric(broker, OFFLINE_COUNT)).toMatch(/ 1$/)
    disk.breakWith = () => undefined
    const isServed = async () => expect(await produce(client, [0, 1])).toEqual(['NONE', 'NONE'])
    await vi.waitFor(isServed, WAIT_MS)
    expect(await metric(broker, OFFLINE_COUNT)).toMatch(/ 0$/)
    expect(broker.failures).toEqual([])
  })

  test('is there after a restart', async () => {
    const path = directory()
    const { stop } = await createdInVain(path)
    await stop()
    const { client: later } = await started(path)
    expect(await produce(later, [0, 1])).toEqual(['NONE', 'NONE'])
  })

  test('can be deleted with its topic', async () => {
    const { broker, client } = await createdInVain(directory())
    await deleteTopic(client)
    await createTopic(client, 1)
    expect(await produce(client, [0])).toEqual(['NONE'])
    const request = { topics: [{ name: TOPIC, count: 2, assignments: null }], timeoutMs: 10_000 }
    const { results } = await client.call('CreatePartitions', { ...request, validateOnly: false })
    expect(results).toMatchObject([{ errorCode: 'KAFKA_STORAGE_ERROR' }])
    expect(broker.failures).toEqual([])
  })
})

test('the files of deleted segments stay for the time that the topic says', async () => {
  const path = directory()
  const { broker, client } = await started(path)
  await createTopic(client, 1)
  const configure = async (name: string, value: string) => {
    const configs = [{ name, configOperation: 0, value }]
    const resources = [{ resourceType: 2, resourceName: TOPIC, configs }]
    await client.call('IncrementalAlterConfigs', { resources, validateOnly: false })
  }
  await configure('segment.ms', '1')
  const filesWith = (suffix: string) =>
    readdirSync(join(path, `${TOPIC}-0`)).filter((name) => name.endsWith(suffix))
  await vi.waitFor(async () => {
    await produce(client, [0])
    expect(filesWith('.log')).toHaveLength(3)
  }, WAIT_MS)
  const topics = [{ name: TOPIC, partitions: [{ partitionIndex: 0, offset: -1 }] }]
  await client.call('DeleteRecords', { topics, timeoutMs: 10_000 })
  expect(filesWith('.log.deleted')).toHaveLength(2)
  await configure('file.delete.delay.ms', '0')
  await vi.waitFor(() => expect(filesWith('.deleted')).toEqual([]), WAIT_MS)
  expect(broker.failures).toEqual([])
})

describe('a batch that rots while the broker runs', () => {
  test('is never sent; the other batches of its partition are', async () => {
    const path = directory()
    const settings = { 'log.tail.cache.bytes': '0' }
    const { broker, client } = await started(path, settings)
    await createTopic(client, 1)
    for (const _ of [1, 2, 3]) await produce(client, [0])
    const segment = join(path, `${TOPIC}-0`, '00000000000000000000.log')
    const bytes = readFileSync(segment)
    bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1
    writeFileSync(segment, bytes)
    expect(await fetchErrors(client, [0], 0)).toEqual(['NONE'])
    expect(await fetchErrors(client, [0], 2)).toEqual(['KAFKA_STORAGE_ERROR'])
    expect(await fetchErrors(client, [0], 2)).toEqual(['KAFKA_STORAGE_ERROR'])
    expect(await produce(client, [0])).toEqual(['NONE'])
    expect(broker.warnings.filter((line) => line.includes('not what was written'))).toHaveLength(1)
    expect(await metric(broker, 'fairlead_log_corrupt_reads')).toMatch(/ 2$/)
    expect(broker.failures).toEqual([])
  })
})

describe('the log of groups', () => {
  test('that cannot be created at first is there once there is room', async () => {
    const disk = breakableDisk()
    const { broker, client } = await started(directory(), {}, { disk })
    await createTopic(client, 1)
    disk.breakWith = ({ kind, path }) =>
      kind === 'makeDirectory' && path.includes('__consumer_offsets') ? 'EMFILE' : undefined
    const request = { keyType: 0, coordinatorKeys: ['group'] }
    const { coordinators } = await client.call('FindCoordinator', request)
    expect(coordinators).toMatchObject([{ errorCode: 'NONE' }])
    expect(await commit(broker, 5)).toBe('COORDINATOR_LOAD_IN_PROGRESS')
    disk.breakWith = () => undefined
    await vi.waitFor(async () => expect(await commit(broker, 5)).toBe('NONE'), WAIT_MS)
    expect(await committed(client)).toBe(5)
    expect(broker.failures).toEqual([])
  })

  test('has no offsets left of a deleted topic when its name is used again', async () => {
    const path = directory()
    const disk = breakableDisk()
    const { broker, client, stop } = await started(path, {}, { disk })
    await createTopic(client, 1)
    await client.call('FindCoordinator', { keyType: 0, coordinatorKeys: ['group'] })
    const accepted = async () => expect(await commit(broker, 5)).toBe('NONE')
    await vi.waitFor(accepted, WAIT_MS)

    disk.breakWith = ({ kind, path: file }) =>
      kind === 'write' && file.includes('__consumer_offsets') ? 'ENOSPC' : undefined
    await deleteTopic(client)
    await createTopic(client, 1, 'KAFKA_STORAGE_ERROR')
    disk.breakWith = () => undefined
    await stop()
    expect(broker.failures).toEqual([])

    const later = await started(path)
    await createTopic(later.client, 1)
    await later.client.call('FindCoordinator', { keyType: 0, coordinatorKeys: ['group'] })
    expect(await committed(later.client)).toBe(-1)
    await vi.waitFor(async () => expect(await commit(later.broker, 7)).toBe('NONE'), WAIT_MS)
    expect(await committed(later.client)).toBe(7)
  })

  test('that cannot be written for a while costs no group and not the broker', async () => {
    const disk = breakableDisk()
    const { broker, client } = await started(directory(), {}, { disk })
    await createTopic(client, 1)
    await client.call('FindCoordinator', { keyType: 0, coordinatorKeys: ['group'] })
    await vi.waitFor(async () => expect(await commit(broker, 1)).toBe('NONE'), WAIT_MS)
    disk.breakWith = ({ kind, path }) =>
      kind === 'write' && path.includes('__consumer_offsets') ? 'ENOSPC' : undefined
    expect(await commit(broker, 2)).not.toBe('NONE')
    expect(await commit(broker, 3)).not.toBe('NONE')
    disk.breakWith = () => undefined
    await vi.waitFor(async () => expect(await commit(broker, 4)).toBe('NONE'), WAIT_MS)
    expect(broker.failures).toEqual([])
  })
})

describe('a full disk', () => {
  test('refuses changes of the metadata with an answer, and takes them again by itself', async () => {
    const disk = breakableDisk()
    const { broker, client } = await started(directory(), {}, { disk })
    await createTopic(client, 1)
    const timeoutMs = 10_000
    const resource = { resourceType: 2, resourceName: TOPIC }
    const config = { name: 'retention.ms', configOperation: 0, value: '1000' }
    const changes = async () => {
      const added = { name: TOPIC, count: 2, assignments: null }
      const quota = {
        entity: [{ entityType: 'user', entityName: 'u' }],
        ops: [{ key: 'producer_byte_rate', value: 1e9, remove: false }],
      }
      const validateOnly = false
      const asked = { topics: [{ name: 'asked-for' }], allowAutoTopicCreation: true }
      const resources = [{ ...resource, configs: [config] }]
      const coordinator = { keyType: 0, coordinatorKeys: ['group'] }
      const ids = { transactionalId: null, transactionTimeoutMs: 0 }
      const answers = [
        (await client.call('CreatePartitions', { topics: [added], timeoutMs, validateOnly }))
          .results,
        (await client.call('IncrementalAlterConfigs', { resources, validateOnly })).responses,
        (await client.call('AlterConfigs', { resources, validateOnly })).responses,
        (await client.call('AlterClientQuotas', { entries: [quota], validateOnly })).entries,
        (await client.call('Metadata', asked)).topics,
        (await client.call('FindCoordinator', coordinator)).coordinators,
        [await client.call('InitProducerId', ids)],
        (
          await client.call('DeleteTopics', {
            topics: [{ name: TOPIC, topicId: ZERO_UUID }],
            timeoutMs,
          })
        ).responses,
      ]
      return answers.map(([answer]) => answer?.errorCode)
    }
    disk.breakWith = ({ kind, path }) =>
      kind === 'write' && path.includes('__cluster_metadata') ? 'ENOSPC' : undefined
    expect(await changes()).toEqual([
      ...Array(5).fill('KAFKA_STORAGE_ERROR'),
      'COORDINATOR_NOT_AVAILABLE',
      'COORDINATOR_LOAD_IN_PROGRESS',
      'KAFKA_STORAGE_ERROR',
    ])
    expect(await produce(client, [0])).toEqual(['NONE'])
    disk.breakWith = () => undefined
    await vi.waitFor(async () => expect(await changes()).toEqual(Array(8).fill('NONE')), WAIT_MS)
    await createTopic(client, 1)
    expect(broker.failures).toEqual([])
  }, 120_000)

  test('refuses producers before it is full, and takes them again by itself', async () => {
    const volume = { totalBytes: 1e9, freeBytes: 9e8 }
    const path = directory()
    const settings = { 'log.dirs.reserve.bytes': '1000000' }
    const { broker, client } = await started(path, settings, { measureVolume: () => volume })
    await createTopic(client, 1)
    expect(await produce(client, [0])).toEqual(['NONE'])
    volume.freeBytes = 999_999
    await vi.waitFor(() => expect(broker.warnings.join()).toContain('the disk is full'), WAIT_MS)
    expect(await produce(client, [0])).toEqual(['KAFKA_STORAGE_ERROR'])
    expect(await fetchErrors(client, [0])).toEqual(['NONE'])
    const groupId = 'group'
    const { coordinators } = await client.call('FindCoordinator', {
      keyType: 0,
      coordinatorKeys: [groupId],
    })
    expect(coordinators).toMatchObject([{ errorCode: 'NONE' }])
    const committed = await client.call(
      'OffsetCommit',
      {
        groupId,
        generationIdOrMemberEpoch: -1,
        memberId: '',
        groupInstanceId: null,
        topics: [
          {
            name: TOPIC,
            partitions: [{ partitionIndex: 0, committedOffset: 1, committedMetadata: '' }],
          },
        ],
      },
      7,
    )
    expect(committed.topics[0]?.partitions).toMatchObject([{ errorCode: 'NONE' }])
    volume.freeBytes = 2e6
    const accepted = async () => expect(await produce(client, [0])).toEqual(['NONE'])
    await vi.waitFor(accepted, WAIT_MS)
    expect(broker.failures).toEqual([])
  })
})
