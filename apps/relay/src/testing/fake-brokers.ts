import type { EventPosition } from '@fairlead/cdc'
import {
  type IncomingRecord,
  KafkaError,
  type OutgoingRecord,
  PRECEDING_RECORD_REJECTED,
  RejectedKeys,
  type RejectedRecord,
} from '@fairlead/kafka'
import type { SinkClients } from '../sink/sink-clients.ts'

export type StoredRecord = IncomingRecord & { readonly headerTexts: ReadonlyMap<string, string> }

/**
 * Topics in memory behind the interfaces of the Kafka client. As with real brokers, the fate of a
 * send that fails is open: the first records of it may be stored.
 */
export class FakeBrokers {
  readonly #topics = new Map<string, StoredRecord[][]>()
  /** Called before each send; what it throws fails the send, after `storedShare` of its records. */
  beforeSend: () => void = () => undefined
  storedShare: () => number = () => 0
  /** Called after all is stored; what it throws is the answer. */
  afterSend: () => void = () => undefined
  /** Records that are refused for what they are, and those of their key behind them. */
  rejects: (record: OutgoingRecord) => boolean = () => false
  beforeFetch: () => Promise<void> = () => Promise.resolve()
  messageBytesMax = 1_048_588
  /** Batches are committed whole or not at all, with their position. */
  isTransactional = false
  #publishedUntil: EventPosition | undefined
  /** The next send waits for it, also beyond the close of its client: it may be retried until then. */
  hold: Promise<void> | undefined
  /** While true, sends wait. */
  isStuck = false
  /** Not answered yet. Those of one client are stored one after the other; a failure is its last answer. */
  sendsInFlight = 0
  #waiting: (() => void)[] = []

  records(topic: string): readonly StoredRecord[] {
    return (this.#topics.get(topic) ?? []).flat()
  }

  partition(topic: string, partition: number): readonly StoredRecord[] {
    return this.#topics.get(topic)?.[partition] ?? []
  }

  addPartitions(topic: string, count: number): void {
    const partitions = this.#topics.get(topic)
    for (let added = 0; added < count; added += 1) partitions?.push([])
  }

  /** As when the topic of positions is deleted. */
  losePosition(): void {
    this.#publishedUntil = undefined
  }

  unstick(): void {
    this.isStuck = false
    for (const resolve of this.#waiting.splice(0)) resolve()
  }

  readonly open = (isPermitted: () => boolean = () => true): SinkClients => {
    const closed = new AbortController()
    let turn: Promise<unknown> = Promise.resolve()
    let failure: unknown
    const inTurn = (send: () => Promise<unknown>): Promise<unknown> => {
      this.sendsInFlight += 1
      const sent = turn
        .then(() => {
          if (failure !== undefined) throw failure
          return send()
        })
        .finally(() => (this.sendsInFlight -= 1))
      turn = sent.catch((error: unknown) => {
        if (!(error instanceof KafkaError && error.rejectedRecords.length > 0)) failure ??= error
      })
      return sent
    }
    return {
      producer: {
        ...(this.isTransactional && {
          commit: (records, last) => {
            if (!isPermitted()) throw new KafkaError('', { code: 'REVOKED', retryable: false })
            return this.#commit(records, last)
          },
        }),
        send: (records, rejectedKeys) =>
          inTurn(async () => {
            if (this.isStuck && !closed.signal.aborted) await this.#untilUnstuck()
            const { hold } = this
            this.hold = undefined
            await hold
            if (hold === undefined && closed.signal.aborted) {
              throw new KafkaError('closed', { code: 'CLOSED', retryable: false })
            }
            if (!isPermitted()) throw new KafkaError('', { code: 'REVOKED', retryable: false })
            return this.#send(records, rejectedKeys)
          }),
        close: () => Promise.resolve(),
      },
      begin: () => Promise.resolve(this.#publishedUntil),
      admin: this.#admin(),
      reader: {
        fetch: async ({ topic, partition, fromOffset }) => {
          await this.beforeFetch()
          const all = this.partition(topic, partition)
          return {
            records: all.slice(fromOffset),
            nextOffset: all.length,
            highWatermark: all.length,
            logStartOffset: 0,
            leaderEpoch: 0,
          }
        },
        close: () => Promise.resolve(),
      },
      close: () => {
        closed.abort()
        for (const resolve of this.#waiting.splice(0)) resolve()
        return Promise.resolve()
      },
    }
  }

  #untilUnstuck(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve))
  }

  #commit(records: readonly OutgoingRecord[], last: EventPosition): Promise<void> {
    this.beforeSend()
    const rejectedRecords = this.#rejected(records)
    if (rejectedRecords.length > 0) {
      throw new KafkaError('', { code: 'INVALID_RECORD', retryable: false, rejectedRecords })
    }
    this.#store(records)
    this.#publishedUntil = last
    this.afterSend()
    return Promise.resolve()
  }

  #send(records: readonly OutgoingRecord[], rejectedKeys?: RejectedKeys) {
    try {
      this.beforeSend()
    } catch (error) {
      this.#store(records.slice(0, Math.floor(records.length * this.storedShare())))
      throw error
    }
    const rejectedRecords = this.#rejected(records, rejectedKeys)
    const indexes = new Set(rejectedRecords.map(({ recordIndex }) => recordIndex))
    const locations = this.#store(records.filter((_, index) => !indexes.has(index)))
    this.afterSend()
    if (rejectedRecords.length === 0) return locations
    throw new KafkaError('', { code: 'INVALID_RECORD', retryable: false, rejectedRecords })
  }

  #rejected(
    records: readonly OutgoingRecord[],
    rejectedKeys = new RejectedKeys(),
  ): readonly RejectedRecord[] {
    return records.flatMap((record, recordIndex) => {
      const { topic, partition = 0, key } = record
      const isBehind = rejectedKeys.has({ topic, partition }, key)
      if (!isBehind && !this.rejects(record)) return []
      rejectedKeys.add({ topic, partition }, key)
      const code = isBehind ? PRECEDING_RECORD_REJECTED : 'INVALID_RECORD'
      return [{ recordIndex, code, message: '' }]
    })
  }

  #store(records: readonly OutgoingRecord[]) {
    return records.map((record) => {
      const { topic, partition = 0, timestampMs = 0, key, value, headers } = record
      const log = this.#topics.get(topic)?.[partition]
      if (log === undefined) throw new Error(`there is no ${topic}-${partition}`)
      const offset = log.length
      const text = new TextDecoder()
      const headerTexts = new Map(
        headers.map(([name, bytes]) => [name, text.decode(bytes ?? undefined)]),
      )
      log.push({ topic, partition, offset, timestampMs, key, value, headers, headerTexts })
      return { topic, partition, offset }
    })
  }

  #admin(): SinkClients['admin'] {
    const unused = () => Promise.reject(new Error('not used by the relay'))
    return {
      createTopics: unused,
      topicId: unused,
      listTopics: () => Promise.resolve([...this.#topics.keys()]),
      deleteTopics: unused,
      committedOffsets: unused,
      deleteGroup: unused,
      ping: () => Promise.resolve(),
      partitionCount: (topic) => Promise.resolve(this.#topics.get(topic)?.length),
      ensureTopic: ({ topic, partitions }) => {
        const existing = this.#topics.get(topic)
        if (existing === undefined) {
          this.#topics.set(
            topic,
            Array.from({ length: partitions }, () => []),
          )
        }
        const count = existing?.length ?? partitions
        return Promise.resolve({ created: existing === undefined, partitions: count })
      },
      describeTopicConfigs: () =>
        Promise.resolve(new Map([['max.message.bytes', `${this.messageBytesMax}`]])),
      listOffsets: ({ topic, partition, timestamp }) => {
        const log = this.partition(topic, partition)
        if (typeof timestamp !== 'number') {
          return Promise.resolve(timestamp === 'earliest' ? 0 : log.length)
        }
        return Promise.resolve(log.findIndex(({ timestampMs }) => timestampMs >= timestamp))
      },
      close: () => Promise.resolve(),
    }
  }
}
