import { type BufferPool, invariant } from '@fairlead/base'

/** Batches are copied into buffers of this size, or of their own when they are larger. */
const SLAB_BYTES = 1_048_576

/**
 * A buffer with batches of the tail cache. It goes back to its pool when it takes no more batches,
 * none of its batches is cached, and no reader has it.
 */
export class Slab {
  readonly bytes: Uint8Array
  #usedBytes = 0
  #users = 1
  readonly #giveBack: (bytes: Uint8Array) => void

  constructor(bytes: Uint8Array, giveBack: (bytes: Uint8Array) => void) {
    this.bytes = bytes
    this.#giveBack = giveBack
  }

  hasRoomFor(sizeBytes: number): boolean {
    return this.#usedBytes + sizeBytes <= this.bytes.length
  }

  /** A copy that one more user has, who lets go of the slab later. */
  copy(batch: Uint8Array): Uint8Array {
    const start = this.#usedBytes
    this.#usedBytes += batch.length
    this.bytes.set(batch, start)
    this.hold()
    return this.bytes.subarray(start, this.#usedBytes)
  }

  hold(): void {
    invariant(this.#users > 0, 'a slab that was given back has no new users')
    this.#users += 1
  }

  letGo(): void {
    invariant(this.#users > 0, 'whoever lets go of a slab has had it')
    this.#users -= 1
    if (this.#users === 0) this.#giveBack(this.bytes)
  }
}

/** Where the tail cache puts its batches, one behind the other. */
export class TailSlabs {
  readonly #pool: BufferPool
  #current: Slab | undefined

  constructor(pool: BufferPool) {
    this.#pool = pool
  }

  /** The batch in a slab; the caller is one of the slab's users. */
  store(batch: Uint8Array): { readonly slab: Slab; readonly bytes: Uint8Array } {
    let slab = this.#current
    if (slab === undefined || !slab.hasRoomFor(batch.length)) {
      slab?.letGo()
      slab = new Slab(this.#pool.take(Math.max(SLAB_BYTES, batch.length)), (bytes) =>
        this.#pool.giveBack(bytes),
      )
      this.#current = slab
    }
    return { slab, bytes: slab.copy(batch) }
  }
}
