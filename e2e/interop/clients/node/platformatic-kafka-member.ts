import { type BaseOptions, Consumer, type Message, type MessagesStream } from '@platformatic/kafka'
import type { ReadRecord } from '../operations.ts'
import { textOf } from './serve.ts'

type ConsumeStart =
  | {
      readonly mode: 'manual'
      readonly offsets: { topic: string; partition: number; offset: bigint }[]
    }
  | { readonly mode: 'committed'; readonly fallbackMode: 'earliest' }

/** Turns the stream of a consumer into a queue that `poll` empties. */
export class PlatformaticMember {
  readonly #consumer: Consumer
  readonly #stream: MessagesStream<Buffer, Buffer, Buffer, Buffer>
  readonly #topic: string
  readonly #polled = new Map<number, bigint>()
  #waiting: ReadRecord[] = []

  static async join({
    connection,
    groupId,
    topic,
    start,
    groupInstanceId,
  }: {
    readonly connection: BaseOptions
    readonly groupId: string
    readonly topic: string
    readonly start: ConsumeStart
    readonly groupInstanceId?: string
  }): Promise<PlatformaticMember> {
    const consumer = new Consumer({
      ...connection,
      groupId,
      ...(groupInstanceId === undefined ? {} : { groupInstanceId }),
      sessionTimeout: 15_000,
      heartbeatInterval: 500,
      rebalanceTimeout: 20_000,
    })
    const common = { topics: [topic], autocommit: false, maxWaitTime: 200 }
    const stream = await consumer.consume({ ...common, ...start })
    return new PlatformaticMember(consumer, stream, topic)
  }

  private constructor(
    consumer: Consumer,
    stream: MessagesStream<Buffer, Buffer, Buffer, Buffer>,
    topic: string,
  ) {
    this.#consumer = consumer
    this.#stream = stream
    this.#topic = topic
    stream.on('error', (error: Error) => process.stderr.write(`${error.stack}\n`))
    stream.on('data', (message: Message) => {
      this.#waiting.push(recordOf(message))
    })
  }

  get assignment(): readonly number[] {
    const assigned = this.#consumer.assignments?.flatMap(({ partitions }) => partitions) ?? []
    return assigned.sort((a, b) => a - b)
  }

  async poll(timeoutMs: number): Promise<ReadRecord[]> {
    await new Promise((resolve) => setTimeout(resolve, timeoutMs))
    const records = this.#waiting.splice(0)
    for (const { partition, offset } of records) this.#polled.set(partition, BigInt(offset))
    return records
  }

  async commit(): Promise<void> {
    const assigned = new Set(this.assignment)
    const offsets = [...this.#polled]
      .filter(([partition]) => assigned.has(partition))
      .map(([partition, offset]) => ({
        topic: this.#topic,
        partition,
        offset: offset + 1n,
        leaderEpoch: -1,
      }))
    if (offsets.length > 0) await this.#consumer.commit({ offsets })
  }

  async leave(): Promise<void> {
    await this.#stream.close()
    await this.#consumer.close(true)
  }
}

function recordOf(message: Message): ReadRecord {
  return {
    partition: message.partition,
    offset: Number(message.offset),
    key: textOf(message.key),
    value: textOf(message.value),
    headers: [...message.headers].map(([name, value]) => [name.toString(), textOf(value)]),
  }
}
