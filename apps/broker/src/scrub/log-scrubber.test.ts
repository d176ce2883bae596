import { afterEach, describe, expect, test } from 'vitest'
import {
  TOPIC,
  createTopic,
  damage,
  fetchAt,
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

const SOON = { timeout: 60_000, interval: 20 }
const FAST = { 'log.scrub.interval.ms': '50', 'log.tail.cache.bytes': '0' }

let broker: TestBroker
let client: TestClient

afterEach(async () => {
  client.close()
  await broker.stop()
  removeDirectory(broker.directory)
})

async function start(settings: Readonly<Record<string, string>>) {
  broker = await startTestBroker(temporaryDirectory(), settings)
  client = new TestClient(broker.port)
  const topicId = await createTopic(client)
  await produce(client, topicId, 0, 200)
  return topicId
}

describe('the scrub of a broker', { timeout: 120_000 }, () => {
  test('finds what the disk has damaged, reports it, and takes it out of service', async () => {
    const topicId = await start(FAST)
    const readBytes = () => gauge(broker, 'fairlead_scrub_read_bytes')
    await expect.poll(readBytes, SOON).toBeGreaterThan(10_000)
    const completed = await gauge(broker, 'fairlead_scrub_completed_timestamp_seconds')
    expect(completed).toBeGreaterThan(0)
    expect(await gauge(broker, 'fairlead_scrub_damaged_ranges')).toBe(0)

    const [, second = ''] = segmentPaths(broker.directory)
    // The leader epoch of a batch: outside of its own checksum.
    damage(second, 15)
    await expect.poll(() => gauge(broker, 'fairlead_scrub_damaged_ranges'), SOON).toBe(1)
    const offset = Number(second.slice(-24, -4))
    expect(await fetchAt(client, topicId, offset)).toMatchObject({
      errorCode: 'KAFKA_STORAGE_ERROR',
    })
    expect(await fetchAt(client, topicId, 0)).toMatchObject({ errorCode: 'NONE' })
    expect(broker.errors.length).toBe(1)
    expect(broker.errors[0]).toContain(`topic: '${TOPIC}'`)
    const quarantined = await gauge(broker, 'fairlead_log_quarantined_offsets')
    expect(quarantined).toBeGreaterThan(0)
    expect(broker.failures).toEqual([])
  })
})
