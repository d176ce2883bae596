import type { AppendResult } from '@fairlead/log'
import { crc32c, encodeBatch } from '@fairlead/protocol'
import type { SeededRandom } from '@fairlead/simulation'
import { require } from '../finding.ts'
import type { ModelBatch } from './log-model.ts'

/** A producer may have five requests in flight (`max.in.flight.requests.per.connection`). */
const IN_FLIGHT_MAX = 5
const REMEMBERED_MAX = 5

/** A batch as its producer knows it. */
export type SentBatch = {
  readonly producerId: number
  readonly baseSequence: number
  readonly timestampsMs: readonly number[]
  /** As sent; every attempt sends a copy. */
  readonly bytes: Uint8Array
  /** Where it stands in the log, as far as that is known. */
  placed: ModelBatch | undefined
  /** The last attempt was: it is sent again, also where it stands in the log. */
  isRefused: boolean
  isAcked: boolean
}

type Producer = {
  readonly producerId: number
  nextSequence: number
  /** Not acknowledged, oldest first. */
  readonly inFlight: SentBatch[]
  /** The last acknowledged ones: a retry of any of them is recognised. */
  readonly acked: SentBatch[]
}

/**
 * Idempotent producers as real clients are: sequences without gaps, at most five batches in flight,
 * and after a failure everything in flight again, in order.
 */
export class SimulatedProducers {
  readonly #random: SeededRandom
  readonly #producers: Producer[]

  constructor(random: SeededRandom, count: number) {
    this.#random = random
    this.#producers = Array.from({ length: count }, (_, index) => ({
      producerId: 1000 + index,
      nextSequence: 0,
      inFlight: [],
      acked: [],
    }))
  }

  /** What some producer sends next, or undefined when the chosen one has to wait. */
  next(nowMs: number, valueBytesMax: number): SentBatch | undefined {
    const producer = this.#pick()
    if (!hasRoom(producer)) return undefined
    const waiting = firstWaiting(producer)
    if (waiting !== undefined) return waiting
    return this.#encode(producer, nowMs, valueBytesMax)
  }

  #encode(producer: Producer, nowMs: number, valueBytesMax: number): SentBatch {
    const random = this.#random
    const recordCount = random.between(1, 4)
    const timestampsMs = Array.from({ length: recordCount }, () => nowMs - random.int(1000))
    const records = timestampsMs.map((timestampMs) => ({
      key: null,
      value: new Uint8Array(random.int(valueBytesMax + 1)).fill(random.int(256)),
      headers: [],
      timestampMs,
    }))
    const { producerId, nextSequence: baseSequence } = producer
    const bytes = encodeBatch({ records, producerId, producerEpoch: 0, baseSequence }, crc32c)
    producer.nextSequence += recordCount
    const sent = {
      producerId,
      baseSequence,
      timestampsMs,
      bytes,
      placed: undefined,
      isRefused: false,
      isAcked: false,
    }
    producer.inFlight.push(sent)
    return sent
  }

  /**
   * A batch that the log must recognise, as a client repeats it that missed the answer. What lies below
   * the log start may be forgotten: a full disk takes no snapshot, and retention goes on.
   */
  repeated(logStartOffset: number): SentBatch | undefined {
    const { acked, inFlight } = this.#pick()
    const placed = [...acked, ...inFlight].filter((sent) => sent.placed !== undefined)
    const refused = placed.find(({ isRefused }) => isRefused)
    const remembered = placed
      .slice(-REMEMBERED_MAX)
      .filter((sent) => (sent.placed?.nextOffset ?? 0) > logStartOffset)
      // What was refused is sent again before anything behind it.
      .filter((sent) => refused === undefined || sent.baseSequence < refused.baseSequence)
    return remembered[this.#random.int(Math.max(1, remembered.length))]
  }

  /** A batch that was refused or lost, and may be sent again now. */
  waiting(): SentBatch | undefined {
    const producer = this.#producers.find((one) => hasRoom(one) && firstWaiting(one) !== undefined)
    return producer === undefined ? undefined : firstWaiting(producer)
  }

  /** What is sent again at once after a failure, per producer in order. */
  inFlight(): readonly SentBatch[] {
    return this.#producers.flatMap((producer) => producer.inFlight.slice(0, IN_FLIGHT_MAX))
  }

  /** `durableOffset`: what lies below can no longer be lost. */
  answered(
    sent: SentBatch,
    result: AppendResult & { readonly ok: true },
    durableOffset: number,
  ): void {
    require(sent.placed?.baseOffset === result.baseOffset, () =>
      `a batch at ${sent.placed?.baseOffset} was acknowledged at ${result.baseOffset}`)
    if (sent.isAcked) return
    sent.isAcked = true
    const { inFlight, acked } = this.#producerOf(sent)
    const [oldest] = inFlight.splice(0, 1)
    require(oldest === sent, () => `producer ${sent.producerId} was answered out of order`)
    acked.push(sent)
    while (acked.length > REMEMBERED_MAX && (acked[0]?.placed?.nextOffset ?? 0) <= durableOffset) {
      acked.shift()
    }
  }

  /** The log was opened again and ends at `endOffset`: what lay behind it is nowhere. */
  recovered(endOffset: number): void {
    for (const producer of this.#producers) {
      // Acknowledged in mode os and lost with the power: gone for the producer, too.
      const lost = producer.acked.filter(({ placed }) => (placed?.nextOffset ?? 0) > endOffset)
      producer.acked.splice(producer.acked.length - lost.length)
      for (const sent of lost) sent.isAcked = false
      producer.inFlight.unshift(...lost)
    }
    this.takenBack(endOffset)
  }

  /** What was sent and not acknowledged is nowhere from here on. */
  takenBack(endOffset: number): void {
    for (const { inFlight } of this.#producers) {
      for (const sent of inFlight) {
        if ((sent.placed?.nextOffset ?? 0) > endOffset) sent.placed = undefined
      }
    }
  }

  #producerOf({ producerId }: SentBatch): Producer {
    const producer = this.#producers.find((other) => other.producerId === producerId)
    require(producer !== undefined, () => `there is a producer ${producerId}`)
    return producer
  }

  #pick(): Producer {
    const [first, ...others] = this.#producers
    require(first !== undefined, () => 'there is a producer')
    return this.#random.pick([first, ...others])
  }
}

/** A batch that was refused or lost goes before any newer one. */
function firstWaiting({ inFlight }: Producer): SentBatch | undefined {
  return inFlight.find(({ placed, isRefused }) => placed === undefined || isRefused)
}

function hasRoom({ inFlight }: Producer): boolean {
  return inFlight.filter(({ placed }) => placed !== undefined).length < IN_FLIGHT_MAX
}
