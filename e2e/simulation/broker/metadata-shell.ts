import type { Random } from '@fairlead/base'
import type { PartitionLog } from '@fairlead/log'
import {
  type Decision,
  MetadataImage,
  type MetadataRecord,
  decodeMetadataRecord,
  encodeMetadataRecord,
} from '@fairlead/metadata'
import type { LogStore } from './log-store.ts'

const METADATA_TOPIC = '__cluster_metadata'

/**
 * Changes the metadata as the broker's controller does: one decision at a time, its records durable
 * first, then the logs that they call for opened, then replayed.
 */
export class MetadataShell {
  readonly image: MetadataImage = new MetadataImage({ clusterId: 'simulated-cluster-AAA' })
  readonly random: Random
  readonly #store: LogStore
  readonly #waiting: (() => void)[] = []
  #log: PartitionLog | undefined
  #isBusy = false

  constructor(store: LogStore, random: Random) {
    this.#store = store
    this.random = random
  }

  /** Replays the log, and opens every partition that it knows. */
  load(done: () => void): void {
    this.#store.open(METADATA_TOPIC, 0, (log) => {
      this.#log = log
      const replay = ({ value }: { readonly value: Uint8Array | null }): void => {
        if (value !== null) this.image.replay(decodeMetadataRecord(value))
      }
      this.#store.replay(log, replay, () => {
        const partitions = [...this.image.topics()].flatMap((topic) =>
          topic.partitions.map(({ partition }) => ({ topic: topic.name, partition })),
        )
        this.#open(partitions, done)
      })
    })
  }

  change<Response>(decide: () => Decision<Response>, done: (response: Response) => void): void {
    this.#waiting.push(() => {
      const { records, response } = decide()
      this.#commit(records, () => {
        done(response)
        this.#isBusy = false
        this.#next()
      })
    })
    this.#next()
  }

  #next(): void {
    if (this.#isBusy) return
    const change = this.#waiting.shift()
    if (change === undefined) return
    this.#isBusy = true
    change()
  }

  #commit(records: readonly MetadataRecord[], done: () => void): void {
    const log = this.#log
    if (records.length === 0 || log === undefined) {
      done()
      return
    }
    const stored = records.map((record) => ({ key: null, value: encodeMetadataRecord(record) }))
    this.#store.append(log, stored, () => {
      this.#open(newPartitions(records), () => {
        for (const record of records) this.image.replay(record)
        done()
      })
    })
  }

  #open(
    partitions: readonly { readonly topic: string; readonly partition: number }[],
    done: () => void,
  ): void {
    const [first, ...rest] = partitions
    if (first === undefined) done()
    else this.#store.open(first.topic, first.partition, () => this.#open(rest, done))
  }
}

function newPartitions(records: readonly MetadataRecord[]) {
  const names = new Map<string, string>()
  for (const record of records) {
    if (record.kind === 'TopicRecord') names.set(record.topicId, record.name)
  }
  return records.flatMap((record) => {
    if (record.kind !== 'PartitionRecord') return []
    const topic = names.get(record.topicId)
    return topic === undefined ? [] : [{ topic, partition: record.partitionId }]
  })
}
