import { invariant } from './invariant.ts'

export type BufferPoolOptions = {
  /** Smaller requests are not worth keeping: they get a buffer of their own. */
  readonly pooledBytesMin: number
  /** Larger ones are rare, and would crowd the others out. */
  readonly pooledBytesMax: number
  /** What is kept for the next taker, in all. */
  readonly freeBytesMax: number
}

/**
 * Buffers that are used again. A new one of a megabyte costs 256 page faults, and the garbage collector
 * runs for its sake long before memory is short; a small one is freed by hand after each collection.
 *
 * Whoever takes a buffer owns it, and gives it back at most once, when nothing refers to its bytes any
 * more. One that is never given back is left to the garbage collector: that is slower, never wrong.
 * What a buffer holds when it is taken is whatever it held before.
 *
 * Invariants: a free buffer has the size of a class, four of which lie between two powers of two;
 * `freeBytes` never passes its maximum.
 */
export class BufferPool {
  readonly #options: BufferPoolOptions
  readonly #free = new Map<number, ArrayBuffer[]>()
  /** So that a buffer of another origin, or one that was given back before, is not taken for ours. */
  readonly #taken = new WeakSet<ArrayBufferLike>()
  #freeBytes = 0

  constructor(options: BufferPoolOptions) {
    invariant(options.pooledBytesMin > 0, 'a pooled buffer has a size')
    this.#options = options
  }

  /** Of the buffers that wait for the next taker. */
  get freeBytes(): number {
    return this.#freeBytes
  }

  /** What a buffer of `sizeBytes` holds in memory: at most a quarter more. */
  capacityOf(sizeBytes: number): number {
    return this.#isPooled(sizeBytes) ? classFrom(sizeBytes) : sizeBytes
  }

  /** A buffer of exactly `sizeBytes`, which may be a part of a larger one. */
  take(sizeBytes: number): Uint8Array {
    if (!this.#isPooled(sizeBytes)) return new Uint8Array(sizeBytes)
    const capacityBytes = classFrom(sizeBytes)
    const kept = this.#free.get(capacityBytes)?.pop()
    if (kept !== undefined) this.#freeBytes -= capacityBytes
    const buffer = kept ?? new ArrayBuffer(capacityBytes)
    this.#taken.add(buffer)
    return new Uint8Array(buffer, 0, sizeBytes)
  }

  /** Takes back a buffer, or any view of it. One that did not come from here is ignored. */
  giveBack({ buffer }: Uint8Array): void {
    if (!this.#taken.delete(buffer)) return
    const capacityBytes = buffer.byteLength
    if (capacityBytes > this.#options.freeBytesMax) return
    while (this.#freeBytes + capacityBytes > this.#options.freeBytesMax) this.#forgetOne()
    // Behind the others: the size that is given back now is the last to be forgotten.
    const free = this.#free.get(capacityBytes) ?? []
    this.#free.delete(capacityBytes)
    this.#free.set(capacityBytes, free)
    free.push(buffer as ArrayBuffer)
    this.#freeBytes += capacityBytes
  }

  #isPooled(sizeBytes: number): boolean {
    const { pooledBytesMin, pooledBytesMax } = this.#options
    return sizeBytes >= pooledBytesMin && sizeBytes <= pooledBytesMax
  }

  /** Of the size that was given back the longest ago: nobody seems to take it any more. */
  #forgetOne(): void {
    for (const [capacityBytes, free] of this.#free) {
      if (free.pop() === undefined) continue
      this.#freeBytes -= capacityBytes
      return
    }
    invariant(false, 'there is a free buffer while free bytes are counted')
  }
}

function classFrom(sizeBytes: number): number {
  const stepBytes = 2 ** Math.floor(Math.log2(sizeBytes)) / 4
  return Math.ceil(sizeBytes / stepBytes) * stepBytes
}
