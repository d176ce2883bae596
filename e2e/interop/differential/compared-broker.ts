import { type ApiName, decodeResponse } from '@fairlead/protocol'
import { waitFor } from '../../support/wait-for.ts'
import { WireClient } from '../../support/wire-client.ts'
import { batchOf } from './batches.ts'
import { type Case, SEED_TIMESTAMP_MS, SEED_VALUES } from './cases.ts'

const PARTITIONS = 3
const CREATE_TIMEOUT_MS = 30_000

const SILENCE_MS = 8_000
const WARM_UP_TIMEOUT_MS = 60_000

type Server = { readonly address: string; stop: () => Promise<unknown> }

/** What a broker answers: a decoded response, or that there was none. */
export type Answer = { readonly body: unknown } | 'closed the connection' | 'no answer'

/** One of the two brokers that are compared. */
export class ComparedBroker {
  readonly #server: Server
  readonly #topicIds = new Map<string, string>()
  #wire: WireClient | undefined
  /** Every answer as it came, in hexadecimal. */
  readonly frames: { api: ApiName; version: number; what: string; response: string }[] = []

  constructor(server: Server) {
    this.#server = server
  }

  /** Until it coordinates groups and gives out producer ids, which Kafka begins with the first request. */
  async warmUp(): Promise<void> {
    const wire = await this.#connection()
    const body = { transactionalId: null, transactionTimeoutMs: 10_000 }
    await waitFor('a coordinator', WARM_UP_TIMEOUT_MS, async () => {
      const found = await wire.request('FindCoordinator', 3, { key: 'warm', keyType: 0 })
      return found.errorCode === 'NONE'
    })
    await waitFor('producer ids', WARM_UP_TIMEOUT_MS, async () => {
      return (await wire.request('InitProducerId', 4, body)).errorCode === 'NONE'
    })
    await waitFor('the group to be loaded', WARM_UP_TIMEOUT_MS, async () => {
      const { groups } = await wire.request('DescribeGroups', 5, { groups: ['warm'] })
      return groups[0]?.errorCode === 'NONE'
    })
  }

  /** The versions that it advertises, by API key. */
  async versions(): Promise<ReadonlyMap<number, readonly [number, number]>> {
    const { apiKeys } = await (await this.#connection()).request('ApiVersions', 0, {})
    return new Map(apiKeys.map((api) => [api.apiKey, [api.minVersion, api.maxVersion] as const]))
  }

  /** Sends a case that concerns `topic`, which is made when it is not there yet. */
  async answer(
    api: ApiName,
    version: number,
    { body, what }: Case,
    topic: string,
  ): Promise<Answer> {
    const topicId = this.#topicIds.get(topic) ?? (await this.#seed(topic))
    const own = `${api}-${version}-${what.replaceAll(/\W/g, '-')}`
    const request = body({ topic, topicId, group: `group-${own}`, newTopic: `new-${own}` })
    const wire = await this.#connection()
    const answered = wire.exchange(api, version, request)
    const frame = await Promise.race([answered, silence()])
    if (frame instanceof Uint8Array) {
      this.frames.push({ api, version, what, response: Buffer.from(frame).toString('hex') })
      return { body: decodeResponse(api, version, frame).body }
    }
    this.#wire = undefined
    await wire[Symbol.asyncDispose]()
    return frame ?? 'closed the connection'
  }

  async stop(): Promise<void> {
    await this.#wire?.[Symbol.asyncDispose]()
    await this.#server.stop()
  }

  async #connection(): Promise<WireClient> {
    this.#wire ??= await WireClient.connect(this.#server.address)
    return this.#wire
  }

  /** A topic with the seed records in its first partition; its id. */
  async #seed(topic: string): Promise<string> {
    const wire = await this.#connection()
    const spec = { name: topic, numPartitions: PARTITIONS, replicationFactor: 1 }
    const created = await wire.request('CreateTopics', 7, {
      topics: [{ ...spec, assignments: [], configs: [] }],
      timeoutMs: CREATE_TIMEOUT_MS,
    })
    const topicId = created.topics[0]?.topicId ?? ''
    this.#topicIds.set(topic, topicId)
    const records = batchOf(SEED_VALUES, SEED_TIMESTAMP_MS)
    // Apache Kafka answers CreateTopics before the partitions have a leader.
    await waitFor(`a leader of ${topic}`, WARM_UP_TIMEOUT_MS, async () => {
      const { responses } = await wire.request('Produce', 9, {
        transactionalId: null,
        acks: -1,
        timeoutMs: CREATE_TIMEOUT_MS,
        topicData: [{ name: topic, partitionData: [{ index: 0, records }] }],
      })
      return responses[0]?.partitionResponses[0]?.errorCode === 'NONE'
    })
    return topicId
  }
}

async function silence(): Promise<'no answer'> {
  await new Promise((resolve) => setTimeout(resolve, SILENCE_MS))
  return 'no answer'
}
