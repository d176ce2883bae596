import { ZERO_UUID } from '@fairlead/protocol'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type BreakableDisk, breakableDisk } from '../testing/breakable-disk.test-fixture.ts'
import {
  type TestBroker,
  removeDirectory,
  startTestBroker,
  temporaryDirectory,
} from '../testing/test-broker.ts'
import { TestClient } from '../testing/test-client.ts'

let disk: BreakableDisk
let broker: TestBroker
let client: TestClient

beforeEach(async () => {
  disk = breakableDisk()
  broker = await startTestBroker(temporaryDirectory(), {}, { disk })
  client = new TestClient(broker.port)
})
afterEach(async () => {
  client.close()
  await broker.stop()
  removeDirectory(broker.directory)
})

test('topics that one request creates by asking for them cost one write of the metadata', async () => {
  let writeCount = 0
  disk.breakWith = ({ kind, path }) => {
    if (kind === 'write' && path.includes('__cluster_metadata')) writeCount += 1
    return undefined
  }
  const names = Array.from({ length: 40 }, (_, index) => `topic-${index}`)
  const topics = [...names, 'not a name'].map((name) => ({ name, topicId: ZERO_UUID }))
  const { topics: answered } = await client.call('Metadata', {
    topics,
    allowAutoTopicCreation: true,
    includeTopicAuthorizedOperations: false,
  })
  const errors = Object.groupBy(answered, ({ errorCode }) => errorCode)
  expect(errors.NONE?.map(({ name }) => name)).toEqual(names)
  expect(errors.INVALID_TOPIC_EXCEPTION).toMatchObject([{ name: 'not a name' }])
  // The batch, and the interval of its index.
  expect(writeCount).toBeLessThanOrEqual(2)
})
