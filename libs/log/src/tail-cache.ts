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
  /** In memory until they are released. */
  readonly heldBytes: number
  readonly release: () => void
}

/** A reader that gets less than this part of the slabs it would hold gets a copy. */
const SLAB_SHARE_MIN = 1 / 4

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
  readonly #buffers: BufferPool
  readonly #slabs: TailSlabs
  readonly #oldestFirst = new Fifo<CachedBatch>()

  constructor(options: { readonly budgetBytes: number; readonly buffers: BufferPool }) {
    this.budgetBytes = options.budgetBytes
    this.#buffers = options.buffers
    this.#slabs = new TailSlabs(options.buffers, options.budgetBytes)
  }

  /** In memory, for all cached batches; never above the budget. */
  get heldBytes(): number {
    return this.#slabs.heldBytes
  }

  /** Whether a batch of this size can be kept at all. */
  canHold(sizeBytes: number): boolean {
    return this.#buffers.capacityOf(sizeBytes) <= this.budgetBytes
  }

  partition(): PartitionTail {
    return new PartitionTail(this)
  }

  /** Only for partitions: a copy of the batch, whose place older ones leave. */
  admit(batch: Pick<CachedBatch, 'owner' | 'bytes' | 'baseOffset' | 'nextOffset'>): CachedBatch {
    const sizeBytes = batch.bytes.length
    invariant(this.canHold(sizeBytes), 'a batch fits into the cache')
    while (this.heldBytes + this.#slabs.bytesFor(sizeBytes) > this.budgetBytes) {
      const evicted = this.#oldestFirst.shift()
      if (evicted === undefined) {
        this.#slabs.endCurrent()
        break
      }
      evicted.owner.evict(evicted)
      evicted.slab.uncache()
    }
    const cached = { ...batch, ...this.#slabs.store(batch.bytes) }
    this.#oldestFirst.push(cached)
    return cached
  }

  /** Only for partitions: batches for a reader, who holds what they stand in, or a copy of a few. */
  lend(batches: readonly CachedBatch[], nextOffset: number): HeldBatches {
    const slabs = [...new Set(batches.map(({ slab }) => slab))]
    const sizeBytes = batches.reduce((sum, { bytes }) => sum + bytes.length, 0)
    const heldBytes = slabs.reduce((sum, slab) => sum + slab.heldBytes, 0)
    if (sizeBytes < heldBytes * SLAB_SHARE_MIN) return this.#copied(batches, sizeBytes, nextOffset)
    for (const slab of slabs) slab.hold()
    const chunks = batches.map(({ bytes }) => bytes)
    const release = (): void => slabs.forEach((slab) => slab.letGo())
    return { chunks, nextOffset, heldBytes, release }
  }

  #copied(batches: readonly CachedBatch[], sizeBytes: number, nextOffset: number): HeldBatches {
    const copy = this.#buffers.take(sizeBytes)
    let position = 0
    for (const { bytes } of batches) {
      copy.set(bytes, position)
      position += bytes.length
    }
    const heldBytes = copy.buffer.byteLength
    const chunks = sizeBytes === 0 ? [] : [copy]
    return { chunks, nextOffset, heldBytes, release: () => this.#buffers.giveBack(copy) }
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
    const isUnread = this.#writtenBytesSinceRead > this.#cache.budgetBytes
    if (isUnread || !this.#cache.canHold(bytes.length)) this.dropBelow(nextOffset)
    else this.#batches.push(this.#cache.admit({ owner: this, bytes, baseOffset, nextOffset }))
  }

  /** Somebody is at the end of the log, and waits for more. */
  follow(): void {
    this.#writtenBytesSinceRead = 0
  }

  /** Whether the batch of this offset is cached. */
  holds(offset: number): boolean {
    return this.#indexOf(offset) !== undefined
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
    const batches: CachedBatch[] = []
    let nextOffset = range.fetchOffset
    let sizeBytes = 0
    for (let index = start; index < this.#batches.length; index += 1) {
      const batch = this.#batches.at(index)
      if (batch === undefined || batch.nextOffset > range.upTo) break
      sizeBytes += batch.bytes.length
      if (sizeBytes > range.maxBytes && (batches.length > 0 || range.isHardLimit)) break
      batches.push(batch)
      nextOffset = batch.nextOffset
    }
    return this.#cache.lend(batches, nextOffset)
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
