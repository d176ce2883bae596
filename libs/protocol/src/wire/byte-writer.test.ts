import { InvariantViolation } from '@fairlead/base'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { ByteReader } from './byte-reader.ts'
import { ByteWriter } from './byte-writer.ts'

const TYPES = ['int8', 'int16', 'int32', 'int64', 'float64', 'uvarint', 'bytes'] as const
type Step = readonly [type: (typeof TYPES)[number], size: number]

function write(writer: ByteWriter, [type, size]: Step): void {
  if (type === 'bytes') writer.bytes(new Uint8Array(size).fill(size & 0xff))
  else writer[type](size & 0x7f)
}

function read(reader: ByteReader, [type, size]: Step): unknown {
  return type === 'bytes' ? reader.bytes(size) : reader[type]()
}

function expected([type, size]: Step): unknown {
  return type === 'bytes' ? new Uint8Array(size).fill(size & 0xff) : size & 0x7f
}

test('what is written is read, wherever the buffer ends and grows', () => {
  const steps = fc.array(fc.tuple(fc.constantFrom(...TYPES), fc.nat({ max: 1500 })), {
    maxLength: 300,
  })
  fc.assert(
    fc.property(steps, (sequence) => {
      const writer = new ByteWriter()
      for (const step of sequence) write(writer, step)
      const { sizeBytes } = writer
      const bytes = new Uint8Array(Buffer.concat(writer.finish()))
      expect(bytes.length).toBe(sizeBytes)
      const reader = new ByteReader(bytes)
      for (const step of sequence) expect(read(reader, step)).toEqual(expected(step))
      expect(reader.remaining).toBe(0)
    }),
    { numRuns: 60 },
  )
})

test('large byte strings go through by reference', () => {
  const batch = new Uint8Array(5000)
  const writer = new ByteWriter()
  writer.int32(1)
  writer.bytes(batch)
  writer.int32(2)
  const chunks = writer.finish()
  expect(chunks).toHaveLength(3)
  expect(chunks[1]).toBe(batch)
})

describe('a number that its type does not hold is a bug of the caller', () => {
  test.for([
    ['int8', 128],
    ['int8', -129],
    ['int16', 32_768],
    ['uint16', -1],
    ['uint16', 65_536],
    ['int32', 2 ** 31],
    ['int32', 0.5],
    ['int32', Number.NaN],
    ['int64', 2 ** 53],
    ['int64', 0.5],
  ] as const)('%s %d', ([type, value]) => {
    expect(() => new ByteWriter()[type](value)).toThrow(InvariantViolation)
  })
})

test('messages that share a buffer stay as they are, in whatever order their writers go on', () => {
  const writing = fc.record({
    writer: fc.nat({ max: 5 }),
    step: fc.tuple(fc.constantFrom(...TYPES), fc.nat({ max: 1500 })),
  })
  fc.assert(
    fc.property(fc.array(writing, { maxLength: 100 }), fc.nat({ max: 5 }), (sequence, lost) => {
      const writers = Array.from({ length: 6 }, () => new ByteWriter())
      for (const { writer, step } of sequence) write(writers[writer] ?? new ByteWriter(), step)
      const messages = writers.map((writer, index) => (index === lost ? [] : writer.finish()))
      // Whatever is written next stands behind them.
      for (let index = 0; index < 20; index += 1) {
        const next = new ByteWriter()
        write(next, ['bytes', 900])
        next.finish()
      }
      for (const [index, message] of messages.entries()) {
        if (index === lost) continue
        const reader = new ByteReader(new Uint8Array(Buffer.concat(message)))
        const own = sequence.filter(({ writer }) => writer === index)
        for (const { step } of own) expect(read(reader, step)).toEqual(expected(step))
        expect(reader.remaining).toBe(0)
      }
    }),
    { numRuns: 100 },
  )
})
