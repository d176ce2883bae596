import type { Random } from '@fairlead/base'
import {
  MetadataImage,
  type MetadataRecord,
  UNLIMITED_MUTATIONS,
  createTopic,
  createTopics,
  staticSettings,
} from '../index.ts'
import type { CreateTopicsRequest, CreateTopicsResponse, TopicContext } from '../index.ts'

/** Counts up, so that every draw is another one. */
export function testRandom(): Random {
  let draws = 0
  return {
    int: () => 0,
    bytes: (length) => {
      draws += 1
      const value = new Uint8Array(length)
      value.set([draws >> 8, draws & 0xff])
      return value
    },
  }
}

export const BROKER_ID = 1

export type NewTopicRequest = Partial<CreateTopicsRequest['topics'][number]> & {
  readonly name: string
}

/** An image, and the requests that change it as the broker would. */
export class Cluster {
  readonly image: MetadataImage = new MetadataImage({ clusterId: 'test-cluster-AAAAAAAAA' })
  readonly records: MetadataRecord[] = []
  readonly context: TopicContext

  constructor(broker: Readonly<Record<string, string>> = {}) {
    const settings = [
      { source: 'DYNAMIC_BROKER_CONFIG', values: this.image.brokerConfigs(String(BROKER_ID)) },
      { source: 'DYNAMIC_DEFAULT_BROKER_CONFIG', values: this.image.brokerConfigs('') },
      staticSettings(new Map(Object.entries(broker))),
    ] as const
    this.context = { brokerId: BROKER_ID, random: testRandom(), broker: settings }
  }

  create(
    topics: readonly NewTopicRequest[],
    options: { readonly validateOnly?: boolean } = {},
  ): CreateTopicsResponse['topics'] {
    const request: CreateTopicsRequest = {
      topics: topics.map((topic) => ({
        numPartitions: -1,
        replicationFactor: -1,
        assignments: [],
        configs: [],
        ...topic,
      })),
      timeoutMs: 60_000,
      validateOnly: options.validateOnly ?? false,
    }
    const { records, response } = createTopics(this.image, request, {
      ...this.context,
      quota: UNLIMITED_MUTATIONS,
    })
    this.commit(records)
    return response.topics
  }

  /** A topic that the broker makes by itself. */
  createInternal(name: string): void {
    const topic = { name, numPartitions: 1, replicationFactor: -1, assignments: [], configs: [] }
    const created = createTopic(this.image, topic, this.context)
    if (created.ok) this.commit(created.records)
  }

  commit(records: readonly MetadataRecord[]): void {
    for (const record of records) this.image.replay(record)
    this.records.push(...records)
  }
}
