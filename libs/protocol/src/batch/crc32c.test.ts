import fc from 'fast-check'
import { expect, test } from 'vitest'
import { combineCrc32c, crc32c } from './crc32c.ts'

const ascending = (length: number): Uint8Array => new Uint8Array(length).map((_, index) => index)

/** RFC 3720, appendix B.4, and the check value of the CRC catalogues. */
test.for([
  { what: 'no bytes', bytes: new Uint8Array(), crc: 0 },
  { what: '"123456789"', bytes: new TextEncoder().encode('123456789'), crc: 0xe3069283 },
  { what: '32 zero bytes', bytes: new Uint8Array(32), crc: 0x8a9136aa },
  { what: '32 bytes of 0xff', bytes: new Uint8Array(32).fill(0xff), crc: 0x62a8ab43 },
  { what: '32 ascending bytes', bytes: ascending(32), crc: 0x46dd794e },
  { what: '32 descending bytes', bytes: ascending(32).reverse(), crc: 0x113fdb5c },
])('the CRC-32C of $what is as published', ({ bytes, crc }) => {
  expect(crc32c(bytes)).toBe(crc)
})

function bitByBit(bytes: Uint8Array): number {
  let crc = 0xffff_ffff
  for (const byte of bytes) {
    crc ^= byte
    for (let bit = 0; bit < 8; bit += 1) crc = (crc >>> 1) ^ (crc & 1 ? 0x82f63b78 : 0)
  }
  return (crc ^ 0xffff_ffff) >>> 0
}

test('slices and single bytes agree with the definition, at every length and alignment', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 80 }), fc.nat({ max: 7 }), (bytes, start) => {
      const view = bytes.subarray(Math.min(start, bytes.length))
      expect(crc32c(view)).toBe(bitByBit(view))
    }),
  )
})

test('the CRC of a whole follows from those of its parts', () => {
  const part = fc.uint8Array({ maxLength: 300 })
  fc.assert(
    fc.property(part, part, (first, second) => {
      const whole = new Uint8Array([...first, ...second])
      const combined = combineCrc32c(crc32c(first), crc32c(second), second.length)
      expect(combined).toBe(crc32c(whole))
    }),
  )
  const large = new Uint8Array(1_000_003).fill(7)
  const whole = new Uint8Array([1, 2, 3, ...large])
  const head = crc32c(whole.subarray(0, 3))
  expect(combineCrc32c(head, crc32c(large), large.length)).toBe(crc32c(whole))
})
