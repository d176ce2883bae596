import { invariant } from '@fairlead/base'
import { Fifo } from './fifo.ts'

/** A view this much smaller than its buffer is copied, so that it does not keep the buffer alive. */
const PINNED_SHARE_MAX = 2

type CachedBatch = {
  readonly owner: PartitionTail
  readonly bytes: Uint8Array
  readonly baseOffset: number
  readonly nextOffset: number
}

/**
 * The newest batches of all partitions, as they were appended, within one budget of bytes: consumers
 * at the tail are served without the disk. The oldest batch goes first, whichever partition owns it.
 *
 * Invariant: the batches of one partition are contiguous, and the newest of them is the newest that
 * the partition wrote.
 */
export class TailCache {
  readonly #budgetBytes: number
  readonly #oldestFirst = new Fifo<CachedBatch>()
  #sizeBytes = 0

  constructor(options: { readonly budgetBytes: number }) {
    this.#budgetBytes = options.budgetBytes
  }

  /** Of all cached batches; never above the budget. */
  get sizeBytes(): number {
    return this.#sizeBytes
  }

  partition(): PartitionTail {
    return new PartitionTail((batch) => this.#admit(batch))
  }

  #admit(batch: CachedBatch): void {
    this.#oldestFirst.push(batch)
    this.#sizeBytes += batch.bytes.length
    while (this.#sizeBytes > this.#budgetBytes) {
      const evicted = this.#oldestFirst.shift()
      invariant(evicted !== undefined, 'the cache knows what it holds')
      evicted.owner.evict(evicted)
      this.#sizeBytes -= evicted.bytes.length
    }
  }
}

/** The part of the cache that belongs to one partition. */
export class PartitionTail {
  readonly #batches = new Fifo<CachedBatch>()
  readonly #admit: (batch: CachedBatch) => void
  #droppedBelow = 0
  #isDropped = false

  constructor(admit: (batch: CachedBatch) => void) {
    this.#admit = admit
  }

  /** Remembers a batch that was written. It must follow the one before. */
  add(bytes: Uint8Array, baseOffset: number, nextOffset: number): void {
    const newest = this.#batches.last()
    invariant(
      newest === undefined || newest.nextOffset === baseOffset,
      'cached batches are contiguous',
    )
    if (this.#isDropped) return
    const isPinning = bytes.length * PINNED_SHARE_MAX < bytes.buffer.byteLength
    // Not `slice`: that of a Buffer is a view.
    const kept = isPinning ? new Uint8Array(bytes) : bytes
    const batch = { owner: this, bytes: kept, baseOffset, nextOffset }
    this.#batches.push(batch)
    this.#admit(batch)
  }

  /**
   * Whole batches from the one that holds `fetchOffset`, none that ends after `upTo`; undefined when
   * that batch is not cached. The first is returned even when it is larger than `maxBytes`.
   */
  read(range: {
    readonly fetchOffset: number
    readonly upTo: number
    readonly maxBytes: number
  }): { readonly chunks: Uint8Array[]; readonly nextOffset: number } | undefined {
    const start = this.#indexOf(range.fetchOffset)
    if (start === undefined) return undefined
    const chunks: Uint8Array[] = []
    let nextOffset = range.fetchOffset
    let sizeBytes = 0
    for (let index = start; index < this.#batches.length; index += 1) {
      const batch = this.#batches.at(index)
      if (batch === undefined || batch.nextOffset > range.upTo) break
      sizeBytes += batch.bytes.length
      if (chunks.length > 0 && sizeBytes > range.maxBytes) break
      chunks.push(batch.bytes)
      nextOffset = batch.nextOffset
    }
    return { chunks, nextOffset }
  }

  /**
   * Forgets the batches that begin below `offset`, of which other bytes stand on the disk now; the
   * budget is freed as they grow old.
   */
  dropBelow(offset: number): void {
    for (let oldest = this.#batches.first(); oldest !== undefined; oldest = this.#batches.first()) {
      if (oldest.baseOffset >= offset) break
      this.#batches.shift()
    }
    this.#droppedBelow = Math.max(this.#droppedBelow, offset)
  }

  /** Only for the cache: its oldest batch is always the oldest of its partition. */
  evict(batch: CachedBatch): void {
    if (this.#isDropped || batch.baseOffset < this.#droppedBelow) return
    const evicted = this.#batches.shift()
    invariant(evicted === batch, 'a partition loses its oldest batch first')
  }

  /** Forgets everything, for a log that was closed; the budget is freed as batches grow old. */
  drop(): void {
    this.#isDropped = true
    this.#batches.clear()
  }

  #indexOf(fetchOffset: number): number | undefined {
    const oldest = this.#batches.first()
    const newest = this.#batches.last()
    if (oldest === undefined || newest === undefined) return undefined
    if (fetchOffset < oldest.baseOffset || fetchOffset >= newest.nextOffset) return undefined
    let low = 0
    let high = this.#batches.length - 1
    while (low < high) {
      const middle = (low + high) >> 1
      if ((this.#batches.at(middle)?.nextOffset ?? 0) > fetchOffset) high = middle
      else low = middle + 1
    }
    return low
  }
}
