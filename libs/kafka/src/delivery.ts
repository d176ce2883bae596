import { KafkaError, type RejectedRecord } from './kafka-error.ts'
import type { RecordLocation } from './records.ts'

/** One `send`: settles when each of its records is stored or rejected. */
export class Delivery {
  readonly settled: Promise<readonly RecordLocation[]>
  readonly #locations: RecordLocation[] = []
  readonly #rejected: RejectedRecord[] = []
  readonly #resolve: (locations: readonly RecordLocation[]) => void
  readonly #reject: (error: KafkaError) => void
  #unsettledCount: number

  constructor(recordCount: number) {
    this.#unsettledCount = recordCount
    const { promise, resolve, reject } = Promise.withResolvers<readonly RecordLocation[]>()
    this.settled = promise
    this.#resolve = resolve
    this.#reject = reject
    // Its caller may come later than its failure.
    promise.catch(() => undefined)
    if (recordCount === 0) resolve([])
  }

  get isSettled(): boolean {
    return this.#unsettledCount === 0
  }

  stored(recordIndex: number, location: RecordLocation): void {
    this.#locations[recordIndex] = location
    this.#settleOne()
  }

  rejected(record: RejectedRecord): void {
    this.#rejected.push(record)
    this.#settleOne()
  }

  fail(error: KafkaError): void {
    this.#reject(error)
  }

  #settleOne(): void {
    this.#unsettledCount -= 1
    if (this.#unsettledCount > 0) return
    const first = this.#rejected[0]
    if (first === undefined) {
      this.#resolve(this.#locations)
      return
    }
    const count = this.#rejected.length
    this.#reject(
      new KafkaError(`${count} records were rejected; the first: ${first.code}: ${first.message}`, {
        code: first.code,
        retryable: false,
        rejectedRecords: this.#rejected.sort((a, b) => a.recordIndex - b.recordIndex),
      }),
    )
  }
}
