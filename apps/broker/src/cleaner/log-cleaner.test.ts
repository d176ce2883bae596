import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { ZERO_UUID } from '@fairlead/protocol'
import { afterEach, describe, expect, test } from 'vitest'
import {
  TOPIC,
  consumed,
  createTopic,
  damage,
  gauge,
  produce,
  segmentPaths,
} from '../testing/log-traffic.ts'
import {
  type TestBroker,
  removeDirectory,
  startTestBroker,
  temporaryDirectory,
} from '../testing/test-broker.ts'
import { TestClient } from '../testing/test-client.ts'
import { LogCleaner } from './log-cleaner.ts'

const TIMEOUT_MS = 120_000
const SOON = { timeout: 60_000, interval: 20 }

const started: { broker: TestBroker; client: TestClient; directory: string }[] = []

afterEach(async () => {
  for (const { broker, client, directory } of started.splice(0)) {
    client.close()
    await broker.stop()
    removeDirectory(directory)
  }
})

async function start(
  settings: Readonly<Record<string, string>> = {},
  at = temporaryDirectory(),
  parts: Parameters<typeof startTestBroker>[2] = {},
) {
  const broker = await startTestBroker(at, { 'log.cleaner.backoff.ms': '20', ...settings }, parts)
  const client = new TestClient(broker.port)
  started.push({ broker, client, directory: at })
  return { broker, client, directory: at }
}

function createCompacted(client: TestClient, configs: Readonly<Record<string, string>> = {}) {
  return createTopic(client, {
    'cleanup.policy': 'compact',
    'min.cleanable.dirty.ratio': '0',
    ...configs,
  })
}

async function alterTopic(client: TestClient, values: Readonly<Record<string, string>>) {
  const configs = Object.entries(values).map(([name, value]) => ({
    name,
    configOperation: 0,
    value,
  }))
  const resources = [{ resourceType: 2, resourceName: TOPIC, configs }]
  const request = { resources, validateOnly: false }
  const { responses } = await client.call('IncrementalAlterConfigs', request)
  expect(responses[0]?.errorCode).toBe('NONE')
}

const LATEST = Array.from({ length: 10 }, (_, key) => `key ${key}@${990 + key}`)

/** Of each key the last one, by key. */
function newestOf(found: readonly string[]): string[] {
  const byKey = new Map(found.map((name) => [name.split('@')[0], name]))
  return [...byKey.values()].sort()
}

describe('a compacted topic', { timeout: TIMEOUT_MS }, () => {
  test('keeps the latest record of each key, whatever the compression, also after a restart', async () => {
    const { broker, client, directory } = await start()
    const topicId = await createCompacted(client)
    await produce(client, topicId, 0, 1000)
    const count = () => consumed(client, topicId, 1000).then(({ length }) => length)
    await expect.poll(count, SOON).toBeLessThan(100)
    expect(segmentPaths(directory).length).toBeLessThan(4)
    const found = await consumed(client, topicId, 1000)
    expect(newestOf(found)).toEqual(LATEST)
    expect(await gauge(broker, 'kafka_log_logcleaner_cleaner_recopy_percent')).toBeLessThan(50)
    expect(await gauge(broker, 'kafka_log_logcleanermanager_uncleanable_partitions_count')).toBe(0)
    expect(broker.failures).toEqual([])

    client.close()
    await broker.stop()
    started.pop()
    const bytes = segmentPaths(directory).reduce((sum, path) => sum + statSync(path).size, 0)
    expect(bytes).toBeLessThan(10_000)
    const again = await start({}, directory)
    expect(newestOf(await consumed(again.client, topicId, 1000))).toEqual(LATEST)
  })

  test('waits for room on a disk where it would need a part of the reserve', async () => {
    const volume = { totalBytes: 1e9, freeBytes: 9e8 }
    const settings = { 'log.dirs.reserve.bytes': '1000000' }
    const { broker, client } = await start(settings, temporaryDirectory(), {
      measureVolume: () => volume,
    })
    const topicId = await createCompacted(client, { 'min.compaction.lag.ms': '600000' })
    const measured = () => gauge(broker, 'fairlead_log_directory_free_bytes')
    await produce(client, topicId, 0, 1000)
    volume.freeBytes = 1_003_000
    await expect.poll(measured, SOON).toBeLessThan(2e6)
    await alterTopic(client, { 'min.compaction.lag.ms': '0' })
    await expect.poll(() => broker.warnings.join(), SOON).toContain('waits for room')
    expect((await consumed(client, topicId, 1000)).length).toBe(1000)
    volume.freeBytes = 9e8
    const count = () => consumed(client, topicId, 1000).then(({ length }) => length)
    await expect.poll(count, SOON).toBeLessThan(100)
    expect(broker.warnings.filter((line) => line.includes('waits for room'))).toHaveLength(1)
  })

  test('whose segment is damaged is left alone, and reported', async () => {
    const { broker, client, directory } = await start({ 'log.cleaner.enable': 'false' })
    const topicId = await createCompacted(client)
    await produce(client, topicId, 0, 400)
    client.close()
    await broker.stop()
    started.pop()
    const [, second = ''] = segmentPaths(directory)
    damage(second, 100)

    const again = await start({}, directory)
    const count = () =>
      gauge(again.broker, 'kafka_log_logcleanermanager_uncleanable_partitions_count')
    await expect.poll(count, SOON).toBe(1)
    expect(
      await gauge(again.broker, 'kafka_log_logcleanermanager_uncleanable_bytes'),
    ).toBeGreaterThan(1000)
    expect(again.broker.warnings.join()).toContain('is not compacted any more')
    expect(again.broker.failures).toEqual([])
  })
})

describe('a compaction under way', { timeout: TIMEOUT_MS }, () => {
  /** At this rate it takes a minute, of which the first seconds go by until something is written. */
  const slow = { 'log.cleaner.io.max.bytes.per.second': '10000' }

  async function startCompacting() {
    const { broker, client, directory } = await start(slow)
    // Nothing is compacted before there is much to do.
    const topicId = await createCompacted(client, { 'min.compaction.lag.ms': '1000' })
    await produce(client, topicId, 0, 1000)
    const isUnderWay = () =>
      readdirSync(join(directory, `${TOPIC}-0`)).some((name) => name.endsWith('.cleaned'))
    await expect.poll(isUnderWay, SOON).toBe(true)
    return { broker, client, directory, topicId }
  }

  test('does not hold up the end of the broker', async () => {
    const { broker, client, directory } = await startCompacting()
    const before = segmentPaths(directory)
    client.close()
    started.pop()
    await broker.stop()
    // It has not waited for the end of the compaction, and has put nothing in place of what there was.
    expect(segmentPaths(directory)).toEqual(before)
    expect(readdirSync(join(directory, `${TOPIC}-0`)).join()).not.toContain('cleaned')
    removeDirectory(directory)
  })

  test('does not hold up the deletion of its topic', async () => {
    const { broker, client, directory } = await startCompacting()
    const { responses } = await client.call('DeleteTopics', {
      topics: [{ name: TOPIC, topicId: ZERO_UUID }],
      timeoutMs: 10_000,
    })
    expect(responses[0]?.errorCode).toBe('NONE')
    expect(readdirSync(directory).join()).not.toContain(TOPIC)
    expect(broker.failures).toEqual([])
  })
})

test('threads that look for work at the same time do not take the same log', async () => {
  let planCount = 0
  const planned = { segments: [], plan: { isDue: true, dirtyRatio: 1, delayMs: 0, endOffset: 1 } }
  const log = {
    isCompacted: true,
    planCompaction: (_nowMs: number, done: (result: unknown) => void) => {
      planCount += 1
      done({ ok: true, value: planned })
    },
    compactionJob: () => ({}),
  }
  const space = { hasRoomFor: () => true }
  const partition = { topic: TOPIC, partition: 0, log, config: {}, directory: { space } }
  const partitions = {
    snapshot: () => [partition],
    get: () => partition,
    beforeRemoval: () => {},
  }
  const jobs: ((outcome: unknown) => void)[] = []
  const thread = () => ({
    run: () => new Promise((resolve) => jobs.push(resolve)),
    rest: async () => {},
    cancel: () => {},
  })
  const timers = { after: () => () => {} }
  const cleaner = new LogCleaner({
    config: { threadCount: 3 },
    partitions,
    createThread: thread,
    clock: { nowMs: () => 0, wallNowMs: () => 0 },
    timers,
    logger: { info: () => {}, warn: () => {} },
  } as never)
  cleaner.start()
  await expect.poll(() => planCount, SOON).toBeGreaterThanOrEqual(3)
  await new Promise((resolve) => setImmediate(resolve))
  expect(jobs).toHaveLength(1)
  const stopped = cleaner.stop()
  for (const end of jobs) end({ kind: 'failed', code: 'CANCELLED', message: '' })
  await stopped
})
