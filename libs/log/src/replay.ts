import { combineCrc32c, wholeBatchCrc } from '@fairlead/protocol'
import type { LeaderEpochs } from './leader-epochs.ts'
import { NO_PRODUCER_ID, type ProducerStates, entryAfter } from './producer-state.ts'
import type { Interval, SegmentIndex } from './segment-index.ts'
import type { ScanVerdict, ScannedBatch } from './segment-scan.ts'

/** What the batches of a log are replayed into. */
export type Replay = {
  readonly producers: ProducerStates
  readonly leaderEpochs: LeaderEpochs
  /** Both know the batches below already. */
  readonly fromOffset: number
  readonly nowMs: number
}

/** Notes what a batch says of its producer and its leader, or what is wrong with it. */
export function replayBatch(replay: Replay, { header }: ScannedBatch): ScanVerdict {
  const { producerId, baseOffset, partitionLeaderEpoch } = header
  if (!replay.leaderEpochs.replay(partitionLeaderEpoch, baseOffset)) {
    return { problem: `leader epoch ${partitionLeaderEpoch} contradicts the epochs before` }
  }
  if (producerId !== NO_PRODUCER_ID && baseOffset >= replay.fromOffset) {
    const known = replay.producers.get(producerId)
    const placement = { baseOffset, nowMs: replay.nowMs }
    replay.producers.set(producerId, entryAfter(known, header, placement))
  }
  return 'continue'
}

/**
 * Compares batches that are read back with what the index says of them: that covers the heads, which
 * the checksum of a batch leaves out.
 */
export class IntervalCheck {
  readonly #intervals: Interval[]
  #position: number
  #crc = 0
  #number = 0

  /** From the interval `first` on, where the batches begin that are given. */
  constructor(index: SegmentIndex | undefined, first: number) {
    const count = (index?.count ?? 0) - first
    this.#position = index?.startOf(first).position ?? 0
    this.#intervals = Array.from({ length: count }, (_, at) => index?.at(first + at)).filter(
      (interval) => interval !== undefined,
    )
  }

  /** What is wrong with the batch, or undefined while nothing is. */
  verdict({ header, bytes }: ScannedBatch): ScanVerdict | undefined {
    const interval = this.#intervals[this.#number]
    if (interval === undefined) return undefined
    this.#position += header.sizeBytes
    this.#crc = combineCrc32c(this.#crc, wholeBatchCrc(bytes, header), header.sizeBytes)
    if (this.#position < interval.endPosition) return undefined
    if (this.#position > interval.endPosition) {
      return { problem: `a batch reaches over byte ${interval.endPosition}, where one ended` }
    }
    if (this.#crc !== interval.crc) {
      return { problem: `the checksum of the bytes up to ${interval.endPosition} does not match` }
    }
    this.#crc = 0
    this.#number += 1
    return undefined
  }
}
