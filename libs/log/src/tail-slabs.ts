import { type BufferPool, invariant } from '@fairlead/base'

/** Batches are copied into buffers of this size at most, or of their own when they are larger. */
const SLAB_BYTES_MAX = 1_048_576
/** The budget of a small cache is spread over so many. */
const SLABS_MIN = 16

type SlabEvents = {
  /** None of its batches is cached any more, and it takes no others. */
  readonly onUncached: (slab: Slab) => void
  /** Nor has any reader it. */
  readonly onUnused: (slab: Slab) => void
}

/**
 * A buffer with batches of the tail cache. It goes back to its pool when it takes no more batches,
 * none of its batches is cached, and no reader has it.
 *
 * Invariant: whoever is counted in `#cachedCount` is counted in `#users`, too.
 */
export class Slab {
  readonly bytes: Uint8Array
  #usedBytes = 0
  #users = 0
  #cachedCount = 0
  readonly #events: SlabEvents

  constructor(bytes: Uint8Array, events: SlabEvents) {
    this.bytes = bytes
    this.#events = events
  }

  /** In memory: its buffer may be a little larger. */
  get heldBytes(): number {
    return this.bytes.buffer.byteLength
  }

  hasRoomFor(sizeBytes: number): boolean {
    return this.#usedBytes + sizeBytes <= this.bytes.length
  }

  /** Keeps the slab cached, for one batch, or for those that are still to come, until `uncache`. */
  cache(): void {
    this.#cachedCount += 1
    this.#users += 1
  }

  uncache(): void {
    invariant(this.#cachedCount > 0, 'what leaves the cache was in it')
    this.#cachedCount -= 1
    if (this.#cachedCount === 0) this.#events.onUncached(this)
    this.letGo()
  }

  /** A copy of a batch, which is cached. */
  copy(batch: Uint8Array): Uint8Array {
    const start = this.#usedBytes
    this.#usedBytes += batch.length
    this.bytes.set(batch, start)
    this.cache()
    return this.bytes.subarray(start, this.#usedBytes)
  }

  hold(): void {
    invariant(this.#users > 0, 'a slab that was given back has no new users')
    this.#users += 1
  }

  letGo(): void {
    invariant(this.#users > 0, 'whoever lets go of a slab has had it')
    this.#users -= 1
    if (this.#users === 0) this.#events.onUnused(this)
  }
}

/**
 * Where the tail cache puts its batches, one behind the other.
 *
 * Invariant: `heldBytes` are those of the buffers with a cached batch, and of the one that is filled.
 */
export class TailSlabs {
  readonly #pool: BufferPool
  readonly #slabBytes: number
  #current: Slab | undefined
  #heldBytes = 0

  constructor(pool: BufferPool, budgetBytes: number) {
    this.#pool = pool
    this.#slabBytes = Math.min(SLAB_BYTES_MAX, Math.floor(budgetBytes / SLABS_MIN))
  }

  /** Of the cache, in memory; what readers hold of old slabs is theirs. */
  get heldBytes(): number {
    return this.#heldBytes
  }

  /** How much more would be held with a batch of this size. */
  bytesFor(sizeBytes: number): number {
    if (this.#current?.hasRoomFor(sizeBytes) === true) return 0
    return this.#pool.capacityOf(Math.max(this.#slabBytes, sizeBytes))
  }

  /** Takes no more batches into the slab that is filled: it is free once its batches are. */
  endCurrent(): void {
    const ended = this.#current
    this.#current = undefined
    ended?.uncache()
  }

  /** The batch in a slab. */
  store(batch: Uint8Array): { readonly slab: Slab; readonly bytes: Uint8Array } {
    let slab = this.#current
    if (slab === undefined || !slab.hasRoomFor(batch.length)) {
      this.endCurrent()
      slab = this.#begin(Math.max(this.#slabBytes, batch.length))
    }
    return { slab, bytes: slab.copy(batch) }
  }

  #begin(sizeBytes: number): Slab {
    const slab = new Slab(this.#pool.take(sizeBytes), {
      onUncached: ({ heldBytes }) => {
        this.#heldBytes -= heldBytes
      },
      onUnused: ({ bytes }) => this.#pool.giveBack(bytes),
    })
    slab.cache()
    this.#heldBytes += slab.heldBytes
    this.#current = slab
    return slab
  }
}
