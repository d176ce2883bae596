import type { BatchHeader } from '@fairlead/protocol'
import type { AppendContext } from './outcomes.ts'

/**
 * What an idempotent producer last wrote to a partition (KIP-98): its epoch, and as many batches as
 * it may have in flight, so that a retry of any of them is recognised.
 */
export type ProducerEntry = {
  readonly producerEpoch: number
  /** Oldest first, at most `BATCHES_MAX`, all of this epoch. */
  readonly batches: readonly ProducerBatch[]
  /** Wall clock of the last append; of the opening when it had to be read from the log. */
  readonly lastSeenMs: number
}

export type ProducerBatch = {
  readonly baseSequence: number
  readonly lastSequence: number
  readonly baseOffset: number
  readonly lastOffset: number
}

/** A producer as DescribeProducers shows it. */
export type ActiveProducer = {
  readonly producerId: number
  readonly producerEpoch: number
  /** -1 when it wrote no batch of its epoch. */
  readonly lastSequence: number
  /** Wall clock of the last append; of the opening when it had to be read from the log. */
  readonly lastSeenMs: number
}

export type Admission =
  | { readonly kind: 'append'; readonly entry: ProducerEntry }
  | { readonly kind: 'duplicate'; readonly batch: ProducerBatch }
  | {
      readonly kind: 'refused'
      readonly errorCode: 'OUT_OF_ORDER_SEQUENCE_NUMBER' | 'INVALID_PRODUCER_EPOCH'
      readonly message: string
    }

type SequencedHeader = Pick<
  BatchHeader,
  'producerId' | 'producerEpoch' | 'baseSequence' | 'lastOffsetDelta'
>

type Placement = {
  readonly baseOffset: number
  readonly nowMs: number
  readonly origin: AppendContext['origin']
}

/** A producer may have five requests in flight (`max.in.flight.requests.per.connection`). */
export const BATCHES_MAX = 5
/** Sequences count to 2^31 - 1, then from 0 again. */
const SEQUENCE_MODULUS = 2_147_483_648
export const NO_PRODUCER_ID = -1
export const NO_SEQUENCE = -1

/** Whether a batch continues what its producer wrote before, and what is then known of it. */
export function admitBatch(
  known: ProducerEntry | undefined,
  header: SequencedHeader,
  placement: Placement,
): Admission {
  const { producerId, producerEpoch, baseSequence } = header
  const refused = (errorCode: (Admission & { kind: 'refused' })['errorCode'], reason: string) =>
    ({ kind: 'refused', errorCode, message: `producer ${producerId}: ${reason}` }) as const

  if (known !== undefined && producerEpoch < known.producerEpoch) {
    const reason = `epoch ${producerEpoch} is older than ${known.producerEpoch}`
    return refused('INVALID_PRODUCER_EPOCH', reason)
  }
  // Coordinators write one batch at a time and number nothing.
  if (placement.origin === 'client' && known !== undefined) {
    if (producerEpoch > known.producerEpoch) {
      if (baseSequence !== 0) {
        const reason = `epoch ${producerEpoch} begins with sequence ${baseSequence}`
        return refused('OUT_OF_ORDER_SEQUENCE_NUMBER', reason)
      }
    } else {
      const duplicate = duplicateOf(known, header)
      if (duplicate !== undefined) return { kind: 'duplicate', batch: duplicate }
      const expected = expectedSequence(known)
      if (expected !== undefined && baseSequence !== expected) {
        const reason = `sequence ${baseSequence} where ${expected} is next`
        return refused('OUT_OF_ORDER_SEQUENCE_NUMBER', reason)
      }
    }
  }
  // A producer we know nothing of may start anywhere: its state may have expired (KIP-360).
  return { kind: 'append', entry: entryAfter(known, header, placement) }
}

/** What is known of a producer after a batch of it stands in the log. */
export function entryAfter(
  known: ProducerEntry | undefined,
  header: SequencedHeader,
  placement: { readonly baseOffset: number; readonly nowMs: number },
): ProducerEntry {
  const { producerEpoch, baseSequence, lastOffsetDelta } = header
  const earlier = known?.producerEpoch === producerEpoch ? known.batches : []
  const batches =
    baseSequence === NO_SEQUENCE
      ? earlier
      : [
          ...earlier.slice(-(BATCHES_MAX - 1)),
          {
            baseSequence,
            lastSequence: (baseSequence + lastOffsetDelta) % SEQUENCE_MODULUS,
            baseOffset: placement.baseOffset,
            lastOffset: placement.baseOffset + lastOffsetDelta,
          },
        ]
  return { producerEpoch, batches, lastSeenMs: placement.nowMs }
}

function duplicateOf(known: ProducerEntry, header: SequencedHeader): ProducerBatch | undefined {
  const lastSequence = (header.baseSequence + header.lastOffsetDelta) % SEQUENCE_MODULUS
  return known.batches.find(
    (batch) => batch.baseSequence === header.baseSequence && batch.lastSequence === lastSequence,
  )
}

function expectedSequence(known: ProducerEntry): number | undefined {
  const newest = known.batches.at(-1)
  return newest === undefined ? undefined : (newest.lastSequence + 1) % SEQUENCE_MODULUS
}

/** More idempotent producers than this on one partition: the longest silent ones are forgotten. */
const PRODUCERS_MAX = 100_000

/** The producers of a partition, the longest silent first. */
export class ProducerStates {
  readonly #entries: Map<number, ProducerEntry>

  constructor(entries: Iterable<readonly [number, ProducerEntry]> = []) {
    this.#entries = new Map(entries)
  }

  get size(): number {
    return this.#entries.size
  }

  entries(): IterableIterator<[number, ProducerEntry]> {
    return this.#entries.entries()
  }

  get(producerId: number): ProducerEntry | undefined {
    return this.#entries.get(producerId)
  }

  set(producerId: number, entry: ProducerEntry): void {
    // Deleted first, so that the order of the map is the order of the last appends.
    this.#entries.delete(producerId)
    this.#entries.set(producerId, entry)
    if (this.#entries.size <= PRODUCERS_MAX) return
    for (const longestSilent of this.#entries.keys()) {
      this.#entries.delete(longestSilent)
      return
    }
  }

  /** Forgets producers that were silent for `expirationMs`. */
  expire(nowMs: number, expirationMs: number): void {
    for (const [producerId, { lastSeenMs }] of this.#entries) {
      if (nowMs - lastSeenMs < expirationMs) return
      this.#entries.delete(producerId)
    }
  }
}
