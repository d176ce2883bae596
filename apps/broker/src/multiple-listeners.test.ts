import { afterAll, beforeAll, expect, test } from 'vitest'
import {
  type TestBroker,
  removeDirectory,
  startTestBroker,
  temporaryDirectory,
} from './testing/test-broker.ts'
import { TestClient } from './testing/test-client.ts'

let broker: TestBroker

beforeAll(async () => {
  broker = await startTestBroker(temporaryDirectory(), {
    listeners: 'INTERNAL://127.0.0.1:0,EXTERNAL://127.0.0.1:0,LOCAL://127.0.0.1:0',
    'advertised.listeners':
      'INTERNAL://broker:19092,EXTERNAL://kafka.test:9092,LOCAL://localhost:0',
    'listener.security.protocol.map': 'INTERNAL:PLAINTEXT,EXTERNAL:PLAINTEXT,LOCAL:PLAINTEXT',
  })
})
afterAll(async () => {
  await broker.stop()
  removeDirectory(broker.directory)
})

const portOf = (name: string): number =>
  broker.listeners.find((listener) => listener.name === name)?.port ?? 0

test.for([
  { name: 'INTERNAL', host: 'broker', port: () => 19_092 },
  { name: 'EXTERNAL', host: 'kafka.test', port: () => 9092 },
  { name: 'LOCAL', host: 'localhost', port: () => portOf('LOCAL') },
])('clients of $name are told $host, whatever they ask', async ({ name, host, port }) => {
  const client = new TestClient(portOf(name))
  const address = { host, port: port() }
  const metadata = await client.call('Metadata', { topics: null })
  expect(metadata.brokers).toMatchObject([address])
  const cluster = await client.call('DescribeCluster', {
    includeClusterAuthorizedOperations: false,
  })
  expect(cluster.brokers).toMatchObject([address])
  const found = await client.call('FindCoordinator', { keyType: 0, coordinatorKeys: ['group'] })
  expect(found.coordinators).toMatchObject([address])
  client.close()
})

test('no listener stays open when one of them cannot be', async () => {
  const directory = temporaryDirectory()
  const taken = portOf('INTERNAL')
  const start = startTestBroker(directory, {
    listeners: `A://127.0.0.1:0,B://127.0.0.1:${taken}`,
    'listener.security.protocol.map': 'A:PLAINTEXT,B:PLAINTEXT',
  })
  await expect(start).rejects.toThrow('EADDRINUSE')
  removeDirectory(directory)
})
