import { afterAll, beforeAll } from 'vitest'
import {
  removeDirectory,
  startTestBroker,
  temporaryDirectory,
  type TestBroker,
} from './test-broker.ts'
import { TestClient } from './test-client.ts'

type TopicSettings = {
  /** Default 1. */
  readonly partitions?: number
  readonly configs?: Readonly<Record<string, string>>
}

/** One broker, and one client of it, for all tests of a file. */
class SharedBroker {
  #broker: TestBroker | undefined
  #client: TestClient | undefined

  get broker(): TestBroker {
    if (this.#broker === undefined) throw new TypeError('the broker runs while tests do')
    return this.#broker
  }

  get client(): TestClient {
    this.#client ??= new TestClient(this.broker.port)
    return this.#client
  }

  /** Answers its id. @throws {Error} with the error of the broker. */
  async createTopic(
    name: string,
    { partitions = 1, configs = {} }: TopicSettings = {},
  ): Promise<string> {
    const entries = Object.entries(configs).map(([key, value]) => ({ name: key, value }))
    const shape = { numPartitions: partitions, replicationFactor: 1, assignments: [] }
    const { topics } = await this.client.call('CreateTopics', {
      topics: [{ name, ...shape, configs: entries }],
      timeoutMs: 10_000,
    })
    const [created] = topics
    if (created?.errorCode !== 'NONE') throw new Error(`${name}: ${created?.errorCode}`)
    return created.topicId
  }

  async start(): Promise<void> {
    this.#broker = await startTestBroker(temporaryDirectory())
  }

  async stop(): Promise<void> {
    this.#client?.close()
    await this.broker.stop()
    removeDirectory(this.broker.directory)
  }
}

/** Called at the top of a file: starts before its tests, and ends behind them. */
export function sharedBroker(): SharedBroker {
  const shared = new SharedBroker()
  beforeAll(() => shared.start())
  afterAll(() => shared.stop())
  return shared
}
