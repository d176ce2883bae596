import { type Random, invariant } from '@fairlead/base'

/**
 * Numbers that look random and follow from the seed alone: Chris Doty-Humphrey's sfc32, in integer
 * arithmetic of 32 bits, so that every version of JavaScript gives the same ones.
 */
export class SeededRandom implements Random {
  readonly seed: number
  #a: number
  #b: number
  #c = 0x9e3779b9
  #counter = 1

  /** `seed` is an integer from 0 to 2^53 - 1. */
  constructor(seed: number) {
    invariant(Number.isSafeInteger(seed) && seed >= 0, 'a seed is an integer from 0 to 2^53 - 1')
    this.seed = seed
    this.#a = seed >>> 0
    this.#b = Math.floor(seed / 0x1_0000_0000) >>> 0
    for (let round = 0; round < 12; round += 1) this.uint32()
  }

  uint32(): number {
    const next = (this.#a + this.#b + this.#counter) | 0
    this.#counter = (this.#counter + 1) | 0
    this.#a = this.#b ^ (this.#b >>> 9)
    this.#b = (this.#c + (this.#c << 3)) | 0
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + next) | 0
    return next >>> 0
  }

  int(bound: number): number {
    invariant(bound > 0 && bound <= 0x1_0000_0000, 'a bound is from 1 to 2^32')
    return Math.floor((this.uint32() / 0x1_0000_0000) * bound)
  }

  /** An integer from `min` to `max`, both included. */
  between(min: number, max: number): number {
    return min + this.int(max - min + 1)
  }

  /** True with this probability, from 0 to 1. */
  chance(probability: number): boolean {
    return this.uint32() < probability * 0x1_0000_0000
  }

  pick<Item>(items: readonly [Item, ...Item[]]): Item {
    return items[this.int(items.length)] ?? items[0]
  }

  bytes(length: number): Uint8Array {
    return Uint8Array.from({ length }, () => this.uint32() & 0xff)
  }

  /** A stream of its own: what one part draws does not move the numbers of another. */
  fork(): SeededRandom {
    return new SeededRandom(this.uint32() * 0x20_0000 + (this.uint32() >>> 11))
  }
}
