import { type EventPosition, comparePositions } from '@fairlead/cdc'
import {
  KafkaError,
  type PlacedRecord,
  type RejectedRecord,
  type TransactionalProducer,
} from '@fairlead/kafka'
import type { PositionTopic } from './position-topic.ts'

/**
 * Batches of events as transactions: the records and how far they go, or nothing. What is published is
 * then what a reader of committed records sees, and the position says it without looking at the topics.
 */
export class TransactionalEvents {
  readonly #producer: TransactionalProducer
  readonly #positions: PositionTopic
  #newest: EventPosition | undefined

  constructor(producer: TransactionalProducer, positions: PositionTopic) {
    this.#producer = producer
    this.#positions = positions
  }

  close(): Promise<void> {
    return this.#producer.close()
  }

  /**
   * @param last in the order of the log of the events of the batch: all of them up to it are published, or parked, with
   * this.
   * @throws {KafkaError} with `rejectedRecords`, and then none of the records is stored.
   */
  async commit(records: readonly PlacedRecord[], last: EventPosition): Promise<void> {
    // A batch of rows of a snapshot alone may have one from before the last one.
    const isNewer = this.#newest === undefined || comparePositions(last, this.#newest) > 0
    const position = isNewer ? last : (this.#newest ?? last)
    await this.#producer.commit([...records, this.#positions.recordOf(position)])
    this.#newest = position
  }

  /** Records that say nothing of how far events are published, with the contract of `IdempotentProducer`. */
  async send(records: readonly PlacedRecord[]): Promise<void> {
    const rejected: RejectedRecord[] = []
    let left = records.map((record, recordIndex) => ({ record, recordIndex }))
    for (;;) {
      const refused = left.length === 0 ? [] : await this.#attempt(left.map(({ record }) => record))
      for (const { recordIndex, ...why } of refused) {
        rejected.push({ ...why, recordIndex: left[recordIndex]?.recordIndex ?? 0 })
      }
      const indexes = new Set(refused.map(({ recordIndex }) => recordIndex))
      left = left.filter((_, index) => !indexes.has(index))
      if (refused.length === 0) break
    }
    const [first] = rejected
    if (first === undefined) return
    throw new KafkaError(`${rejected.length} records were rejected; the first: ${first.message}`, {
      code: first.code,
      retryable: false,
      rejectedRecords: rejected.sort((a, b) => a.recordIndex - b.recordIndex),
    })
  }

  async #attempt(records: readonly PlacedRecord[]): Promise<readonly RejectedRecord[]> {
    try {
      await this.#producer.commit(records)
      return []
    } catch (error) {
      if (error instanceof KafkaError && error.rejectedRecords.length > 0) {
        return error.rejectedRecords
      }
      throw error
    }
  }
}
