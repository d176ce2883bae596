import { invariant } from '@fairlead/base'
import { isRetryableName } from './error-codes.ts'
import {
  BATCH_HEADER_BYTES,
  type Compression,
  encodeRecordBatch,
  type StampedRecord,
} from './record-batch-encoder.ts'
import type { TopicPartition } from './records.ts'
import type { RejectedKeys } from './rejected-keys.ts'

/** Sequence numbers wrap from 2^31 - 1 to 0. */
const SEQUENCE_COUNT = 2 ** 31

/** The batch does not fit: it is halved until the offending records stand alone. */
const TOO_LARGE: ReadonlySet<string> = new Set(['MESSAGE_TOO_LARGE', 'RECORD_LIST_TOO_LARGE'])
/** The broker names the records (KIP-467), or the batch is halved as above. */
const INVALID: ReadonlySet<string> = new Set(['INVALID_RECORD', 'INVALID_TIMESTAMP'])
/** No record of this topic can ever be stored, so that no order is at stake. */
const INVALID_TOPIC = 'INVALID_TOPIC_EXCEPTION'
/** Why a record is refused that comes behind a refused one: not for what it is. */
export const PRECEDING_RECORD_REJECTED = 'PRECEDING_RECORD_REJECTED'
/** Stored by an earlier attempt, too long ago for the broker to say where. */
const DUPLICATE = 'DUPLICATE_SEQUENCE_NUMBER'

/** What the records of one send have in common. */
export type QueuedSend = {
  /** Its records are given up at this time of the caller's clock. */
  readonly deadlineMs: number
  /** Its own, and those of others that are on their way with it. */
  readonly rejectedKeys: RejectedKeys
}

export type QueuedRecord<Send extends QueuedSend = QueuedSend> = {
  readonly record: StampedRecord
  readonly sizeBytesMax: number
  readonly send: Send
  /** Its place in the send. */
  readonly recordIndex: number
}

export type QueuedBatch<Send extends QueuedSend = QueuedSend> = {
  readonly items: readonly QueuedRecord<Send>[]
  /** The same bytes in every attempt, so that the broker recognises a batch that it already has. */
  readonly bytes: Buffer
  readonly baseSequence: number
  /** Of its oldest record. */
  readonly deadlineMs: number
  /** An earlier attempt may have been stored: nobody saw the answer. */
  readonly isAmbiguous: boolean
}

export type BatchAnswer = {
  /** Kafka's error name, or NONE. */
  readonly code: string
  readonly message: string
  readonly baseOffset: number
  readonly recordErrors: readonly { readonly batchIndex: number; readonly message: string | null }[]
}

export type Rejected<Send extends QueuedSend = QueuedSend> = {
  readonly item: QueuedRecord<Send>
  readonly code: string
  readonly message: string
}

export type Verdict<Send extends QueuedSend = QueuedSend> =
  | {
      readonly kind: 'stored'
      readonly items: readonly QueuedRecord<Send>[]
      readonly baseOffset: number
    }
  | { readonly kind: 'retry' }
  /** Empty when the batch was only split. */
  | { readonly kind: 'rejected'; readonly rejected: readonly Rejected<Send>[] }
  | { readonly kind: 'fatal' }

/**
 * The records of one partition on their way to its leader: decides what is sent next and what an
 * answer means. No I/O and no clock.
 *
 * Invariants: at most one batch is in flight. A sequence number is spent only when the broker says
 * that its record is stored; until then a retry repeats the same bytes. A refusal is believed only
 * when no attempt before it went unanswered: that one may have been stored, and its sequence numbers
 * given to other records would make the broker drop those as duplicates. A record does not overtake
 * a refused one of the same key and the same `RejectedKeys`.
 */
export class PartitionQueue<Send extends QueuedSend = QueuedSend> {
  readonly topic: string
  readonly partition: number
  /** Not yet in a batch, in order. */
  #queued: QueuedRecord<Send>[] = []
  /** Parts of a refused batch, in order, before everything queued. */
  #parts: (readonly QueuedRecord<Send>[])[] = []
  /** Waits for its next attempt. */
  #retained: QueuedBatch<Send> | undefined
  #inFlight: QueuedBatch<Send> | undefined
  #nextSequence = 0

  constructor(topic: string, partition: number) {
    this.topic = topic
    this.partition = partition
  }

  get isReady(): boolean {
    return this.#inFlight === undefined && this.#oldest() !== undefined
  }

  get isEmpty(): boolean {
    return this.#inFlight === undefined && this.#oldest() === undefined
  }

  /** Deadline of the record that is next; undefined when there is none or a batch is in flight. */
  get deadlineMs(): number | undefined {
    return this.#inFlight === undefined ? this.#oldest()?.send.deadlineMs : undefined
  }

  enqueue(item: QueuedRecord<Send>): void {
    this.#queued.push(item)
  }

  /**
   * The next batch, now in flight; undefined when it does not fit in `sizeBytesMax`.
   *
   * @throws {InvariantViolation} unless `isReady`.
   */
  take(options: {
    readonly sizeBytesMax: number
    readonly producerId: number
    readonly producerEpoch: number
    readonly isTransactional: boolean
    readonly compression: Compression
  }): QueuedBatch<Send> | undefined {
    invariant(this.isReady, 'one batch of a partition is in flight at a time')
    const retained = this.#retained
    if (retained !== undefined) {
      if (retained.bytes.length > options.sizeBytesMax) return undefined
      this.#retained = undefined
      this.#inFlight = retained
      return retained
    }
    const items = this.#takeItems(options.sizeBytesMax)
    if (items.length === 0) return undefined
    const baseSequence = this.#nextSequence
    const records: StampedRecord[] = []
    let sizeBytesMax = 0
    let deadlineMs = Number.POSITIVE_INFINITY
    for (const item of items) {
      records.push(item.record)
      sizeBytesMax += item.sizeBytesMax
      deadlineMs = Math.min(deadlineMs, item.send.deadlineMs)
    }
    const bytes = encodeRecordBatch(records, { ...options, baseSequence }, sizeBytesMax)
    this.#inFlight = { items, bytes, baseSequence, deadlineMs, isAmbiguous: false }
    return this.#inFlight
  }

  /** The request of the batch in flight failed; `wasSent` unless it certainly never left. */
  unanswered(wasSent: boolean): void {
    const batch = this.#land()
    this.#retained = wasSent ? { ...batch, isAmbiguous: true } : batch
  }

  answered(answer: BatchAnswer): Verdict<Send> {
    const batch = this.#land()
    const { code } = answer
    if (code === 'NONE' || code === DUPLICATE) {
      this.#nextSequence = (batch.baseSequence + batch.items.length) % SEQUENCE_COUNT
      return { kind: 'stored', items: batch.items, baseOffset: answer.baseOffset }
    }
    if (TOO_LARGE.has(code) || INVALID.has(code) || code === INVALID_TOPIC) {
      if (batch.isAmbiguous) return { kind: 'fatal' }
      return { kind: 'rejected', rejected: this.#reject(batch, answer) }
    }
    if (isRetryableName(code)) {
      // Even a leader that moved may have appended first: NOT_LEADER can answer a waiting produce.
      this.#retained = { ...batch, isAmbiguous: true }
      return { kind: 'retry' }
    }
    return { kind: 'fatal' }
  }

  /** Gives up everything that waits, because the topic cannot exist. Not while in flight. */
  rejectAll(code: string, message: string): readonly Rejected<Send>[] {
    invariant(this.#inFlight === undefined, 'an unanswered batch is not rejected')
    invariant(this.#retained?.isAmbiguous !== true, 'a batch that may be stored is not rejected')
    const items = [...(this.#retained?.items ?? []), ...this.#parts.flat(), ...this.#queued]
    this.#retained = undefined
    this.#parts = []
    this.#queued.length = 0
    return items.map((item) => ({ item, code, message }))
  }

  get hasAmbiguousBatch(): boolean {
    return this.#retained?.isAmbiguous === true
  }

  #oldest(): QueuedRecord<Send> | undefined {
    return this.#retained?.items[0] ?? this.#parts[0]?.[0] ?? this.#queued[0]
  }

  #takeItems(sizeBytesMax: number): readonly QueuedRecord<Send>[] {
    const part = this.#parts[0]
    if (part !== undefined) {
      if (batchSizeBytesMax(part) > sizeBytesMax) return []
      this.#parts.shift()
      return part
    }
    let sizeBytes = BATCH_HEADER_BYTES
    let count = 0
    for (const { sizeBytesMax: recordBytes } of this.#queued) {
      sizeBytes += recordBytes
      if (sizeBytes > sizeBytesMax) break
      count += 1
    }
    return this.#queued.splice(0, count)
  }

  #land(): QueuedBatch<Send> {
    const batch = this.#inFlight
    invariant(batch !== undefined, 'an answer belongs to the batch in flight')
    this.#inFlight = undefined
    return batch
  }

  /** The rejected records; the others stand first in line again, under the same sequence numbers. */
  #reject(batch: QueuedBatch<Send>, answer: BatchAnswer): readonly Rejected<Send>[] {
    const { items } = batch
    const { code, message } = answer
    const named = new Map(
      answer.recordErrors
        .filter(({ batchIndex }) => batchIndex in items)
        .map((error) => [error.batchIndex, error.message ?? message]),
    )
    if (code === INVALID_TOPIC) return items.map((item) => ({ item, code, message }))
    const isNamed = INVALID.has(code) && named.size > 0
    if (!isNamed && items.length > 1) {
      const half = Math.ceil(items.length / 2)
      this.#parts.unshift(items.slice(0, half), items.slice(half))
      return []
    }
    const refusal = new Refusal<Send>(this, code)
    const accepted = items.filter((item, index) =>
      refusal.admits(item, isNamed ? named.get(index) : message),
    )
    const behind = this.#parts.map((part) => part.filter((item) => refusal.admits(item)))
    this.#parts = [accepted, ...behind].filter((part) => part.length > 0)
    this.#queued = this.#queued.filter((item) => refusal.admits(item))
    return refusal.rejected
  }
}

/** Sorts records, in their order, into refused ones with those that follow them, and all others. */
class Refusal<Send extends QueuedSend> {
  readonly rejected: Rejected<Send>[] = []
  readonly #place: TopicPartition
  readonly #code: string

  constructor(place: TopicPartition, code: string) {
    this.#place = place
    this.#code = code
  }

  /** `message` is set when the broker refuses this very record. */
  admits(item: QueuedRecord<Send>, message?: string): boolean {
    const { record, send } = item
    const { rejectedKeys } = send
    if (message !== undefined) {
      rejectedKeys.add(this.#place, record.key)
      this.rejected.push({ item, code: this.#code, message })
      return false
    }
    if (rejectedKeys.isEmpty || !rejectedKeys.has(this.#place, record.key)) return true
    const reason = 'an earlier record of this key was rejected'
    this.rejected.push({ item, code: PRECEDING_RECORD_REJECTED, message: reason })
    return false
  }
}

function batchSizeBytesMax(items: readonly { readonly sizeBytesMax: number }[]): number {
  return items.reduce((sum, { sizeBytesMax }) => sum + sizeBytesMax, BATCH_HEADER_BYTES)
}
