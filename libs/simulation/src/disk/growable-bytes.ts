/** The bytes of a file. Invariant: the buffer holds zeros behind the length. */
export class GrowableBytes {
  #buffer: Uint8Array
  #length: number

  constructor(content: Uint8Array = new Uint8Array()) {
    this.#buffer = new Uint8Array(content)
    this.#length = content.length
  }

  get length(): number {
    return this.#length
  }

  /** The content in place, valid until the next change. */
  view(): Uint8Array {
    return this.#buffer.subarray(0, this.#length)
  }

  /** A gap before `position` reads as zeros. */
  write(position: number, bytes: Uint8Array): void {
    if (bytes.length === 0) return
    this.#reserve(position + bytes.length)
    this.#buffer.set(bytes, position)
    this.#length = Math.max(this.#length, position + bytes.length)
  }

  /** Cuts, or extends with zeros. */
  resize(length: number): void {
    this.#reserve(length)
    this.#buffer.fill(0, length, this.#length)
    this.#length = length
  }

  #reserve(length: number): void {
    if (length <= this.#buffer.length) return
    const larger = new Uint8Array(Math.max(length, this.#buffer.length * 2))
    larger.set(this.view())
    this.#buffer = larger
  }
}
