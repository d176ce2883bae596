import { createAdmin, createReader } from '@fairlead/kafka'
import { WireClient } from '../../support/wire-client.ts'
import type { Client } from './client.ts'
import { Driver, type DriverCommand } from './driver.ts'
import type { ReadRecord, WireRecord } from './operations.ts'

const READ_WAIT_MS = 30_000

/** What a scenario needs of a broker: ours, or Apache Kafka. */
export type Server = {
  readonly address: string
  kill: () => Promise<void>
  restart: () => void
  ready: () => Promise<void>
  stop: () => Promise<unknown>
}

/** A client and a broker for one scenario; disposing ends the drivers that it started. */
export class ScenarioContext implements AsyncDisposable {
  readonly client: Client
  readonly server: Server
  readonly #command: DriverCommand
  readonly #drivers: Driver[] = []

  constructor(given: {
    readonly client: Client
    readonly server: Server
    readonly command: DriverCommand
  }) {
    this.client = given.client
    this.server = given.server
    this.#command = given.command
  }

  driver(): Driver {
    const driver = Driver.start(this.#command, this.server.address)
    this.#drivers.push(driver)
    return driver
  }

  async createTopic(
    topic: string,
    partitions = 1,
    config: Readonly<Record<string, string>> = {},
  ): Promise<void> {
    await using wire = await WireClient.connect(this.server.address)
    const configs = Object.entries(config).map(([name, value]) => ({ name, value }))
    const spec = { name: topic, numPartitions: partitions, replicationFactor: 1 }
    const { topics } = await wire.request('CreateTopics', 5, {
      topics: [{ ...spec, assignments: [], configs }],
      timeoutMs: READ_WAIT_MS,
    })
    const [created] = topics
    if (created?.errorCode !== 'NONE') throw new Error(`${topic}: ${created?.errorCode}`)
  }

  /** Everything that is in a partition, as the reader of our own services sees it. */
  async stored(topic: string, partition = 0): Promise<ReadRecord[]> {
    const options = { bootstrapServers: [this.server.address], clientId: 'observer' }
    const admin = createAdmin(options)
    const reader = createReader(options)
    const where = { topic, partition }
    const endOffset = await admin.listOffsets({ ...where, timestamp: 'latest' })
    const records: ReadRecord[] = []
    let fromOffset = await admin.listOffsets({ ...where, timestamp: 'earliest' })
    while (fromOffset < endOffset) {
      const request = { ...where, fromOffset, maxWaitMs: 100, maxBytes: 10_000_000 }
      const fetched = await reader.fetch(request)
      records.push(...fetched.records.map((record) => ({ partition, ...wireRecord(record) })))
      fromOffset = fetched.nextOffset
    }
    await Promise.all([admin.close(), reader.close()])
    return records
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#drivers.map((driver) => driver[Symbol.asyncDispose]()))
  }
}

type Incoming = {
  readonly offset: number
  readonly key: Uint8Array | null
  readonly value: Uint8Array | null
  readonly headers: readonly (readonly [string, Uint8Array | null])[]
}

function wireRecord({ offset, key, value, headers }: Incoming): WireRecord & { offset: number } {
  const text = (bytes: Uint8Array | null) =>
    bytes === null ? null : Buffer.from(bytes).toString('base64')
  return {
    offset,
    key: text(key),
    value: text(value),
    headers: headers.map(([name, header]) => [name, text(header)] as const),
  }
}
