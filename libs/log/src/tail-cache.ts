import { type BufferPool, invariant } from '@fairlead/base'
import { Fifo } from './fifo.ts'
import { type Slab, TailSlabs } from './tail-slabs.ts'

type CachedBatch = {
  readonly owner: PartitionTail
  /** In the slab. */
  readonly bytes: Uint8Array
  readonly slab: Slab
  readonly baseOffset: number
  readonly nextOffset: number
}

/** Batches that stay as they are until they are released, which may never happen. */
export type HeldBatches = {
  readonly chunks: readonly Uint8Array[]
  readonly nextOffset: number
  readonly release: () => void
}

/**
 * The newest batches of all partitions, within one budget of bytes: consumers at the tail are served
 * without the disk. The oldest batch goes first, whichever partition owns it.
 *
 * Batches are copied, so that the buffer of a request is free for the next one as soon as the request
 * is answered. Only what somebody reads is copied: a partition that took more bytes than the whole
 * budget since anybody last looked at its end is not cached.
 *
 * Invariant: the batches of one partition are contiguous, and the newest of them is the newest that
 * the partition wrote.
 */
export class TailCache {
  readonly budgetBytes: number
  readonly #slabs: TailSlabs
  readonly #oldestFirst = new Fifo<CachedBatch>()
  #sizeBytes = 0

  constructor(options: { readonly budgetBytes: number; readonly buffers: BufferPool }) {
    this.budgetBytes = options.budgetBytes
    this.#slabs = new TailSlabs(options.buffers)
  }

  /** Of all cached batches; never above the budget. */
  get sizeBytes(): number {
    return this.#sizeBytes
  }

  partition(): PartitionTail {
    return new PartitionTail(this)
  }

  /** Only for partitions: a copy of the batch, whose place older ones leave. */
  admit(batch: Pick<CachedBatch, 'owner' | 'bytes' | 'baseOffset' | 'nextOffset'>): CachedBatch {
    invariant(batch.bytes.length <= this.budgetBytes, 'a batch fits into the cache')
    this.#sizeBytes += batch.bytes.length
    while (this.#sizeBytes > this.budgetBytes) {
      const evicted = this.#oldestFirst.shift()
      invariant(evicted !== undefined, 'the cache knows what it holds')
      evicted.owner.evict(evicted)
      evicted.slab.letGo()
      this.#sizeBytes -= evicted.bytes.length
    }
    const cached = { ...batch, ...this.#slabs.store(batch.bytes) }
    this.#oldestFirst.push(cached)
    return cached
  }
}

/** The part of the cache that belongs to one partition. */
export class PartitionTail {
  readonly #cache: TailCache
  readonly #batches = new Fifo<CachedBatch>()
  /** Batches that begin below it are forgotten, although they use budget until they are old. */
  #droppedBelow = 0
  #writtenBytesSinceRead = Number.POSITIVE_INFINITY
  #isDropped = false

  constructor(cache: TailCache) {
    this.#cache = cache
  }

  /** Remembers a batch that was written. It must follow the one before. */
  add(bytes: Uint8Array, baseOffset: number, nextOffset: number): void {
    const newest = this.#batches.last()
    invariant(
      newest === undefined || newest.nextOffset === baseOffset,
      'cached batches are contiguous',
    )
    if (this.#isDropped) return
    this.#writtenBytesSinceRead += bytes.length
    if (this.#writtenBytesSinceRead > this.#cache.budgetBytes) this.dropBelow(nextOffset)
    else this.#batches.push(this.#cache.admit({ owner: this, bytes, baseOffset, nextOffset }))
  }

  /** Somebody is at the end of the log, and waits for more. */
  follow(): void {
    this.#writtenBytesSinceRead = 0
  }

  /**
   * Whole batches from the one that holds `fetchOffset`, none that ends after `upTo`; undefined when
   * that batch is not cached. The first is returned even when it is larger than `maxBytes`, unless
   * `isHardLimit`.
   */
  read(range: {
    readonly fetchOffset: number
    readonly upTo: number
    readonly maxBytes: number
    readonly isHardLimit: boolean
  }): HeldBatches | undefined {
    const start = this.#indexOf(range.fetchOffset)
    if (start === undefined) return undefined
    this.follow()
    const chunks: Uint8Array[] = []
    const slabs: Slab[] = []
    let nextOffset = range.fetchOffset
    let sizeBytes = 0
    for (let index = start; index < this.#batches.length; index += 1) {
      const batch = this.#batches.at(index)
      if (batch === undefined || batch.nextOffset > range.upTo) break
      sizeBytes += batch.bytes.length
      if (sizeBytes > range.maxBytes && (chunks.length > 0 || range.isHardLimit)) break
      chunks.push(batch.bytes)
      if (slabs.at(-1) !== batch.slab) slabs.push(batch.slab)
      nextOffset = batch.nextOffset
    }
    for (const slab of slabs) slab.hold()
    return { chunks, nextOffset, release: () => slabs.forEach((slab) => slab.letGo()) }
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
