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
  const ask = async (...names: readonly string[]) => {
    const { topics } = await client.call('Metadata', {
      topics: names.map((name) => ({ name, topicId: ZERO_UUID })),
      allowAutoTopicCreation: true,
      includeTopicAuthorizedOperations: false,
    })
    return topics
  }
  // The first batch of a segment makes a place in its index, too.
  await ask('first')
  writeCount = 0
  const names = Array.from({ length: 40 }, (_, index) => `topic-${index}`)
  const answered = await ask(...names, 'not a name')
  const errors = Object.groupBy(answered, ({ errorCode }) => errorCode)
  expect(errors.NONE?.map(({ name }) => name)).toEqual(names)
  expect(errors.INVALID_TOPIC_EXCEPTION).toMatchObject([{ name: 'not a name' }])
  // The batch, and the interval of its index.
  expect(writeCount).toBeLessThanOrEqual(2)
})
