import fc from 'fast-check'
import { expect, test } from 'vitest'
import { WholeMessages } from './whole-messages.ts'

const LARGE_BYTES = 1_048_576

function message(bodyBytes: number, fill: number): Buffer {
  const bytes = Buffer.alloc(5 + bodyBytes, fill)
  bytes.write('d')
  bytes.writeUInt32BE(4 + bodyBytes, 1)
  return bytes
}

test('every byte is handed on once and in order, and a large message in one piece', () => {
  const sizes = fc.array(
    fc.constantFrom(0, 1, 3, 100, 70_000, LARGE_BYTES - 6, LARGE_BYTES, 1_500_000),
    {
      minLength: 1,
      maxLength: 6,
    },
  )
  const cuts = fc.array(fc.integer({ min: 1, max: 400_000 }), { minLength: 1, maxLength: 30 })
  fc.assert(
    fc.property(sizes, cuts, (bodies, cutSizes) => {
      const messages = bodies.map((size, index) => message(size, index + 1))
      const stream = Buffer.concat(messages)
      const handed: Buffer[] = []
      const whole = new WholeMessages((bytes) => handed.push(Buffer.from(bytes)))
      for (let position = 0, cut = 0; position < stream.length; cut += 1) {
        const size = cutSizes[cut % cutSizes.length] ?? 1
        whole.push(stream.subarray(position, position + size))
        position += size
      }
      expect(Buffer.concat(handed).equals(stream)).toBe(true)
      for (const large of messages.filter(({ length }) => length >= LARGE_BYTES)) {
        expect(handed.some((piece) => piece.includes(large))).toBe(true)
      }
    }),
    { numRuns: 60 },
  )
})

test('small messages are passed on as they come, without a copy', () => {
  const chunk = Buffer.concat([message(10, 1), message(20, 2)])
  const handed: Buffer[] = []
  new WholeMessages((bytes) => handed.push(bytes)).push(chunk)
  expect(handed).toEqual([chunk])
  expect(handed[0]?.buffer).toBe(chunk.buffer)
})
