import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { compressLz4 } from './compress-lz4.ts'
import { compressSnappy } from './compress-snappy.ts'
import { decompressLz4 } from './lz4.ts'
import { decompressSnappy } from './snappy.ts'

const CODECS = [
  { codec: 'lz4', compress: compressLz4, decompress: decompressLz4 },
  { codec: 'snappy', compress: compressSnappy, decompress: decompressSnappy },
] as const

/** Bytes that repeat themselves more or less, over several blocks. */
const repetitive = fc
  .tuple(fc.array(fc.uint8Array({ maxLength: 40 }), { minLength: 1, maxLength: 8 }), fc.nat())
  .chain(([words, seed]) =>
    fc.integer({ min: 0, max: 200_000 }).map((length) => {
      const bytes = new Uint8Array(length)
      let state = seed
      for (let at = 0; at < length; ) {
        state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fff_ffff
        const word = words[state % words.length] ?? new Uint8Array()
        bytes.set(word.subarray(0, length - at), at)
        at += Math.max(word.length, 1)
      }
      return bytes
    }),
  )

describe.for(CODECS)('$codec', ({ compress, decompress }) => {
  test('is undone by its counterpart', () => {
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 300 }), repetitive), (bytes) => {
        expect(decompress(compress(bytes), bytes.length)).toEqual(bytes)
      }),
      { numRuns: 60 },
    )
  })

  test.for([0, 1, 4, 5, 12, 13, 15, 60, 61, 64, 65, 255, 256, 270, 32_768, 65_536, 65_537])(
    'of %i bytes, equal and different',
    (length) => {
      const equal = new Uint8Array(length).fill(7)
      let state = 1
      const different = equal.map(() => {
        state = Math.imul(state, 48_271) % 2_147_483_647
        return state >> 8
      })
      for (const bytes of [equal, different]) {
        expect(decompress(compress(bytes), length)).toEqual(bytes)
      }
    },
  )

  test('makes little of what repeats, and not much more of what does not', () => {
    const text = new TextEncoder().encode('{"customer":"0000","status":"paid"}'.repeat(3000))
    expect(compress(text).length).toBeLessThan(text.length / 15)
    const noise = new Uint8Array(100_000)
    let state = 12_345
    for (let at = 0; at < noise.length; at += 1) {
      state ^= state << 13
      state ^= state >>> 17
      state ^= state << 5
      noise[at] = state
    }
    expect(compress(noise).length).toBeLessThan(noise.length * 1.01)
  })
})
