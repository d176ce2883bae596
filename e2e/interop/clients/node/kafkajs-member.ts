import type { Consumer, Kafka, KafkaMessage } from 'kafkajs'
import type { ReadRecord } from '../operations.ts'
import { textOf } from './serve.ts'

/** Turns the callbacks of kafkajs into a queue that `poll` empties. */
export class KafkajsMember {
  readonly #consumer: Consumer
  readonly #topic: string
  readonly #polled = new Map<number, number>()
  #waiting: ReadRecord[] = []
  assignment: readonly number[] = []

  static async join(
    kafka: Kafka,
    options: { readonly groupId: string; readonly topic: string },
  ): Promise<KafkajsMember> {
    const consumer = kafka.consumer({
      groupId: options.groupId,
      sessionTimeout: 15_000,
      heartbeatInterval: 500,
      rebalanceTimeout: 20_000,
      maxWaitTimeInMs: 200,
    })
    const made = new KafkajsMember(consumer, options.topic)
    await consumer.connect()
    await consumer.subscribe({ topics: [options.topic], fromBeginning: true })
    await consumer.run({
      autoCommit: false,
      eachMessage: async ({ partition, message }) => {
        made.#waiting.push(recordOf(partition, message))
      },
    })
    return made
  }

  private constructor(consumer: Consumer, topic: string) {
    this.#consumer = consumer
    this.#topic = topic
    const { GROUP_JOIN, REBALANCING } = consumer.events
    consumer.on(GROUP_JOIN, ({ payload }) => {
      // What came before a rebalance may be another member's now.
      this.#waiting = []
      this.assignment = [...(payload.memberAssignment[topic] ?? [])].sort((a, b) => a - b)
    })
    consumer.on(REBALANCING, () => {
      this.assignment = []
    })
  }

  seek(topic: string, partition: number, offset: number): void {
    this.#consumer.seek({ topic, partition, offset: `${offset}` })
  }

  async poll(timeoutMs: number): Promise<ReadRecord[]> {
    await new Promise((resolve) => setTimeout(resolve, timeoutMs))
    const records = this.#waiting.splice(0)
    for (const { partition, offset } of records) this.#polled.set(partition, offset + 1)
    return records
  }

  async commit(): Promise<void> {
    const positions = [...this.#polled].filter(([each]) => this.assignment.includes(each))
    await this.#consumer.commitOffsets(
      positions.map(([partition, offset]) => ({
        topic: this.#topic,
        partition,
        offset: `${offset}`,
      })),
    )
  }

  leave(): Promise<void> {
    return this.#consumer.disconnect()
  }
}

function recordOf(
  partition: number,
  { offset, key, value, headers = {} }: KafkaMessage,
): ReadRecord {
  const entries = Object.entries(headers).flatMap(([name, held]) =>
    (Array.isArray(held) ? held : [held]).map((each) => [name, headerText(each)] as const),
  )
  return {
    partition,
    offset: Number(offset),
    key: textOf(key),
    value: textOf(value),
    headers: entries,
  }
}

const headerText = (value: Buffer | string | undefined): string | null =>
  typeof value === 'string' ? textOf(Buffer.from(value)) : textOf(value)
