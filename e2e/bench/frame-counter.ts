/** Counts length-prefixed frames in a byte stream, whatever the chunks are. */
export class FrameCounter {
  #headerBytes = 0
  #header = 0
  #missing = 0

  /** The number of frames that end in this chunk. */
  add(chunk: Uint8Array): number {
    let ended = 0
    let position = 0
    while (position < chunk.length) {
      if (this.#headerBytes < 4) {
        this.#header = this.#header * 256 + (chunk[position] ?? 0)
        this.#headerBytes += 1
        position += 1
        if (this.#headerBytes < 4) continue
        this.#missing = this.#header
      }
      const taken = Math.min(this.#missing, chunk.length - position)
      this.#missing -= taken
      position += taken
      if (this.#missing > 0) continue
      ended += 1
      this.#headerBytes = 0
      this.#header = 0
    }
    return ended
  }
}
