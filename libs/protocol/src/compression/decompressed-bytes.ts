import { DecodeError, invariant } from '@fairlead/base'
import { DecompressedTooLarge } from './decompressed-too-large.ts'

/** Below this, a loop is faster than a call of `set` or `copyWithin`. */
const SHORT_COPY_BYTES = 24

/**
 * What a decoder has made so far: literals of its input, and copies of what it made before.
 *
 * It grows with what was really made, never by what the input declares, and refuses to pass its limit.
 *
 * Invariant: `#length` <= `#bytes.length` <= `#maxBytes`.
 */
export class DecompressedBytes {
  readonly #maxBytes: number
  #bytes: Uint8Array<ArrayBuffer>
  #length = 0

  /** `likelyBytes` is where to begin; it must follow from the size of the input. */
  constructor(options: { readonly likelyBytes: number; readonly maxBytes: number }) {
    invariant(options.maxBytes >= 0, 'a limit is not negative')
    this.#maxBytes = options.maxBytes
    this.#bytes = new Uint8Array(Math.min(options.likelyBytes, options.maxBytes))
  }

  get length(): number {
    return this.#length
  }

  /** @throws {DecodeError} when `count` bytes more would pass the limit. */
  literal(source: Uint8Array, from: number, count: number): void {
    invariant(from + count <= source.length, 'a literal lies in its source')
    this.#makeRoom(count)
    if (count < SHORT_COPY_BYTES) {
      const bytes = this.#bytes
      let at = this.#length
      for (let index = from; index < from + count; index += 1) bytes[at++] = source[index] as number
    } else {
      this.#bytes.set(source.subarray(from, from + count), this.#length)
    }
    this.#length += count
  }

  /**
   * Repeats `count` bytes from `distance` bytes before the end; they may overlap what is written.
   *
   * @throws {DecodeError} when they begin before the first byte, or would pass the limit.
   */
  copy(distance: number, count: number, position: number): void {
    if (distance < 1 || distance > this.#length) {
      throw new DecodeError(`a copy from ${distance} bytes back, of ${this.#length}`, position)
    }
    this.#makeRoom(count)
    const bytes = this.#bytes
    const start = this.#length
    if (distance >= count && count >= SHORT_COPY_BYTES) {
      bytes.copyWithin(start, start - distance, start - distance + count)
    } else if (distance === 1) {
      bytes.fill(bytes[start - 1] as number, start, start + count)
    } else {
      for (let at = start; at < start + count; at += 1) bytes[at] = bytes[at - distance] as number
    }
    this.#length += count
  }

  /** @throws {DecodeError} when `count` bytes more would pass the limit: no need to make them first. */
  refuseBeyond(count: number): void {
    if (this.#length + count > this.#maxBytes) {
      throw new DecompressedTooLarge(this.#maxBytes)
    }
  }

  finish(): Uint8Array<ArrayBuffer> {
    return this.#bytes.subarray(0, this.#length)
  }

  #makeRoom(count: number): void {
    const needed = this.#length + count
    if (needed <= this.#bytes.length) return
    this.refuseBeyond(count)
    const doubled = Math.min(this.#maxBytes, Math.max(needed, this.#bytes.length * 2))
    const grown = new Uint8Array(doubled)
    grown.set(this.#bytes.subarray(0, this.#length))
    this.#bytes = grown
  }
}
