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

function createCompacted(
  client: TestClient,
  configs: Readonly<Record<string, string>> = {},
  name = TOPIC,
) {
  const compacted = { 'cleanup.policy': 'compact', 'min.cleanable.dirty.ratio': '0' }
  return createTopic(client, { ...compacted, ...configs }, name)
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
  /** At this rate seconds go by until something is written, and as many again until the end. */
  const slow = { 'log.cleaner.io.max.bytes.per.second': '5000' }

  async function startCompacting() {
    const { broker, client, directory } = await start(slow)
    // Nothing is compacted before there is much to do.
    const topicId = await createCompacted(client, { 'min.compaction.lag.ms': '600000' })
    await produce(client, topicId, 0, 1000)
    await alterTopic(client, { 'min.compaction.lag.ms': '0' })
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

  test('ends, and removes nothing, once its topic is not to be compacted any more', async () => {
    const { broker, client, directory, topicId } = await startCompacting()
    await alterTopic(client, { 'cleanup.policy': 'delete' })
    // The one thread takes another log only when it has ended.
    const otherId = await createCompacted(client, {}, 'quotes')
    await produce(client, otherId, 0, 100)
    const count = () => consumed(client, otherId, 100).then(({ length }) => length)
    await expect.poll(count, SOON).toBeLessThan(100)
    const files = () => readdirSync(join(directory, `${TOPIC}-0`)).join()
    expect(files()).not.toContain('cleaned')
    // To its end it leaves less than a hundred.
    expect((await consumed(client, topicId, 1000)).length).toBeGreaterThan(100)
    // It has not failed: another policy has it begin again at once.
    await alterTopic(client, { 'cleanup.policy': 'compact' })
    await expect.poll(files, SOON).toContain('cleaned')
    expect(broker.failures).toEqual([])
    expect(broker.warnings).toEqual([])
  })
})

/** A cleaner of one log that is always due, whose threads do what the test says. */
function cleanerOf(thread: () => object, threadCount: number, replaced: unknown[] = []) {
  let planCount = 0
  const planned = { segments: [], plan: { isDue: true, dirtyRatio: 1, delayMs: 0, endOffset: 1 } }
  const log = {
    isCompacted: true,
    planCompaction: (_nowMs: number, done: (result: unknown) => void) => {
      planCount += 1
      done({ ok: true, value: planned })
    },
    compactionJob: () => ({}),
    replaceSegments: (range: unknown, _nowMs: number, done: (result: unknown) => void) => {
      replaced.push(range)
      done({ ok: true, value: true })
    },
  }
  const space = { hasRoomFor: () => true }
  const partition = { topic: TOPIC, partition: 0, log, config: {}, directory: { space } }
  const cleaner = new LogCleaner({
    config: { threadCount },
    partitions: {
      snapshot: () => [partition],
      get: () => partition,
      beforeRemoval: () => {},
      afterConfiguration: () => {},
    },
    createThread: () => ({ rest: async () => {}, cancel: () => {}, ...thread() }),
    clock: { nowMs: () => 0, wallNowMs: () => 0 },
    timers: { after: () => () => {} },
    logger: { info: () => {}, warn: () => {} },
  } as never)
  return { cleaner, log, planCount: () => planCount }
}

const CANCELLED = { kind: 'failed', code: 'CANCELLED', message: '' }

test('threads that look for work at the same time do not take the same log', async () => {
  const jobs: ((outcome: unknown) => void)[] = []
  const run = () => new Promise((resolve) => jobs.push(resolve))
  const { cleaner, planCount } = cleanerOf(() => ({ run }), 3)
  cleaner.start()
  await expect.poll(planCount, SOON).toBeGreaterThanOrEqual(3)
  await new Promise((resolve) => setImmediate(resolve))
  expect(jobs).toHaveLength(1)
  const stopped = cleaner.stop()
  for (const end of jobs) end(CANCELLED)
  await stopped
})

test('a segment that was compacted before the policy changed, and is offered after, is not put in place', async () => {
  const replaced: unknown[] = []
  const offers: ((report: object) => void)[] = []
  const { cleaner, log } = cleanerOf(
    () => {
      const { promise, resolve } = Promise.withResolvers<unknown>()
      const run = (_job: object, onReport: (report: object) => void) => {
        offers.push(onReport)
        return promise
      }
      return { run, cancel: () => resolve(CANCELLED) }
    },
    1,
    replaced,
  )
  cleaner.start()
  await expect.poll(() => offers.length, SOON).toBe(1)
  log.isCompacted = false
  for (const offer of offers) offer({ kind: 'segment', range: {} })
  await new Promise((resolve) => setImmediate(resolve))
  await cleaner.stop()
  expect(replaced).toEqual([])
})
