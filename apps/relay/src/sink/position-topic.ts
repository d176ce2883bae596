import { formatLsn } from '@fairlead/base'
import { type EventPosition, parsePosition } from '@fairlead/cdc'
import type { Admin, IncomingRecord, PlacedRecord, Reader } from '@fairlead/kafka'
import { readRecords } from './read-tail.ts'

const PARTITION = 0
/** Records are read from the end in steps that double: behind the last commit there may be aborted ones. */
const FIRST_STEP = 64
const TEXT = new TextDecoder()
const BYTES = new TextEncoder()

/**
 * How far a source is published: a compacted topic of one partition, with a record in the transaction of
 * each batch. Its key is the source, its value the position of the last event of the batch.
 */
export class PositionTopic {
  readonly #topic: string
  readonly #source: string

  constructor(options: { readonly topic: string; readonly source: string }) {
    this.#topic = options.topic
    this.#source = options.source
  }

  recordOf({ commitLsn, commitIndex }: EventPosition): PlacedRecord {
    const value = JSON.stringify({ lsn: formatLsn(commitLsn), seq: commitIndex })
    return {
      topic: this.#topic,
      partition: PARTITION,
      key: BYTES.encode(this.#source),
      value: BYTES.encode(value),
      headers: [],
    }
  }

  /**
   * The last committed position; undefined when there is none, or none that can be read. The topic is made
   * when it is absent.
   *
   * @throws {KafkaError | SessionFailure}
   */
  async read(
    clients: { readonly admin: Admin; readonly reader: Reader },
    replicationFactor: number,
  ): Promise<EventPosition | undefined> {
    const topic = this.#topic
    const configs = { 'cleanup.policy': 'compact' }
    await clients.admin.ensureTopic({ topic, partitions: 1, replicationFactor, configs })
    return this.find(clients)
  }

  /** As `read`, of a topic that is there: nothing is made. */
  async find(clients: {
    readonly admin: Pick<Admin, 'listOffsets'>
    readonly reader: Reader
  }): Promise<EventPosition | undefined> {
    const { admin, reader } = clients
    const [topic, partition] = [this.#topic, PARTITION]
    const start = await admin.listOffsets({ topic, partition, timestamp: 'earliest' })
    const end = await admin.listOffsets({ topic, partition, timestamp: 'logEnd' })
    let newest: IncomingRecord | undefined
    let to = end
    for (let step = FIRST_STEP; to > start; step *= 2) {
      const from = Math.max(start, to - step)
      newest = await this.#newestIn(reader, { topic, partition, from, to })
      if (newest !== undefined) break
      to = from
    }
    return newest?.value === undefined || newest.value === null
      ? undefined
      : positionIn(TEXT.decode(newest.value))
  }

  async #newestIn(
    reader: Reader,
    range: Parameters<typeof readRecords>[1],
  ): Promise<IncomingRecord | undefined> {
    const ours: IncomingRecord[] = []
    await readRecords(reader, range, (record) => {
      if (record.key !== null && TEXT.decode(record.key) === this.#source) ours.push(record)
    })
    return ours.at(-1)
  }
}

/** Undefined for what is none: somebody else has written there. */
function positionIn(text: string): EventPosition | undefined {
  const [, lsn, seq] = /^\{"lsn":"([^"]+)","seq":(-?\d+)\}$/.exec(text) ?? []
  return parsePosition(lsn, seq)
}
