const SLAB_BYTES = 65_536
/** A larger value gets memory of its own, so that a small one does not keep it alive. */
const SHARED_BYTES_MAX = SLAB_BYTES / 16
const UTF8_BYTES_PER_UNIT_MAX = 3
const ASCII_MAX = 0x7f
/** Below, a loop is faster than the call that copies. */
const LOOP_BYTES_MAX = 24

const TEXT = new TextEncoder()

/**
 * Copies of small values, side by side in large pieces of memory. An event has about ten of them, and
 * memory of its own for each costs the garbage collector more than everything else about the event.
 *
 * A piece lives as long as any value in it: values that are made together should die together.
 */
export class ByteArena {
  #slab = new Uint8Array(0)
  #used = 0

  copy(bytes: Uint8Array): Uint8Array {
    const { length } = bytes
    // Not `slice`: the bytes may be a Buffer of Node, whose `slice` is a view of the same memory.
    if (length > SHARED_BYTES_MAX) return new Uint8Array(bytes)
    const start = this.#reserve(length)
    const slab = this.#slab
    if (length > LOOP_BYTES_MAX) slab.set(bytes, start)
    else for (let index = 0; index < length; index += 1) slab[start + index] = bytes[index] ?? 0
    return this.#take(length)
  }

  /** Memory to be written by the caller, once. */
  allocate(sizeBytes: number): Uint8Array {
    if (sizeBytes > SHARED_BYTES_MAX) return new Uint8Array(sizeBytes)
    this.#reserve(sizeBytes)
    return this.#take(sizeBytes)
  }

  /** UTF-8. */
  text(text: string): Uint8Array {
    const { length } = text
    if (length * UTF8_BYTES_PER_UNIT_MAX > SHARED_BYTES_MAX) return TEXT.encode(text)
    const start = this.#reserve(length * UTF8_BYTES_PER_UNIT_MAX)
    const slab = this.#slab
    for (let index = 0; index < length; index += 1) {
      const unit = text.charCodeAt(index)
      if (unit > ASCII_MAX) {
        return this.#take(TEXT.encodeInto(text, slab.subarray(start)).written)
      }
      slab[start + index] = unit
    }
    return this.#take(length)
  }

  #reserve(sizeBytes: number): number {
    if (this.#used + sizeBytes > this.#slab.length) {
      this.#slab = new Uint8Array(SLAB_BYTES)
      this.#used = 0
    }
    return this.#used
  }

  #take(sizeBytes: number): Uint8Array {
    const start = this.#used
    this.#used += sizeBytes
    return this.#slab.subarray(start, this.#used)
  }
}
