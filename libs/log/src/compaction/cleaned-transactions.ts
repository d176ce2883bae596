import type { BatchHeader } from '@fairlead/protocol'

/** A transaction that was aborted, as the log's index of them says. */
export type AbortedTransaction = {
  readonly producerId: number
  readonly firstOffset: number
}

/** What a control batch says of its producer's transaction; `other` ends none. */
export type Marker = 'commit' | 'abort' | 'other'

/**
 * Which batches of a compaction belong to aborted transactions, and which markers have lost all the
 * records they spoke of: Kafka's `CleanedTransactionMetadata`. Batches are shown to it in the order of
 * the log, below the last stable offset, so that every transaction is decided.
 */
export class CleanedTransactions {
  /** By first offset. */
  readonly #aborted: readonly AbortedTransaction[]
  #begunCount = 0
  readonly #ongoingCommitted = new Set<number>()
  /** By producer: whether a batch of the transaction was seen. */
  readonly #ongoingAborted = new Map<number, boolean>()

  constructor(aborted: readonly AbortedTransaction[]) {
    this.#aborted = [...aborted].sort((a, b) => a.firstOffset - b.firstOffset)
  }

  /** True when the batch belongs to an aborted transaction: its records go, whatever their keys. */
  isAborted(header: BatchHeader): boolean {
    this.#begin(header)
    const { producerId } = header
    if (!header.isTransactional) return false
    if (this.#ongoingAborted.has(producerId)) {
      this.#ongoingAborted.set(producerId, true)
      return true
    }
    this.#ongoingCommitted.add(producerId)
    return false
  }

  /** True when no batch of the transaction is left before its marker, which may therefore go, too. */
  isMarkerOfNothing(header: BatchHeader, marker: Marker | undefined): boolean {
    this.#begin(header)
    const { producerId } = header
    switch (marker) {
      case undefined: // An empty control batch was cleaned before.
        return true
      case 'abort': {
        const wasSeen = this.#ongoingAborted.get(producerId) === true
        this.#ongoingAborted.delete(producerId)
        return !wasSeen
      }
      case 'commit':
        return !this.#ongoingCommitted.delete(producerId)
      case 'other':
        return false
    }
  }

  #begin({ baseOffset, lastOffsetDelta }: BatchHeader): void {
    const lastOffset = baseOffset + lastOffsetDelta
    for (;;) {
      const next = this.#aborted[this.#begunCount]
      if (next === undefined || next.firstOffset > lastOffset) return
      this.#begunCount += 1
      if (!this.#ongoingAborted.has(next.producerId)) {
        this.#ongoingAborted.set(next.producerId, false)
      }
    }
  }
}
