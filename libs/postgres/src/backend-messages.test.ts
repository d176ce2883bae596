import fc from 'fast-check'
import { expect, test } from 'vitest'
import { BackendMessages } from './backend-messages.ts'

const LARGE_BYTES = 1_048_576
const WAL_HEADER_BYTES = 25

function message(type: string, body: Buffer): Buffer {
  const bytes = Buffer.alloc(5 + body.length)
  bytes.write(type)
  bytes.writeUInt32BE(4 + body.length, 1)
  body.copy(bytes, 5)
  return bytes
}

function walData(sizeBytes: number, fill: number): Buffer {
  const body = Buffer.alloc(WAL_HEADER_BYTES + sizeBytes, fill)
  body.write('w')
  return message('d', body)
}

const keepalive = (fill: number) =>
  message('d', Buffer.concat([Buffer.from('k'), Buffer.alloc(17, fill)]))

/** What is handed on of a stream in pieces of the given sizes. */
function handedOn(stream: Buffer, cutSizes: readonly number[]) {
  const handed: { readonly kind: 'wal' | 'other'; readonly bytes: Buffer }[] = []
  const messages = new BackendMessages({
    onWalData: (bytes, start, end) => {
      handed.push({ kind: 'wal', bytes: Buffer.from(bytes.slice(start, end)) })
    },
    onOther: (bytes) => handed.push({ kind: 'other', bytes: Buffer.from(bytes) }),
  })
  for (let position = 0, cut = 0; position < stream.length; cut += 1) {
    const size = cutSizes[cut % cutSizes.length] ?? 1
    messages.push(Buffer.from(stream.subarray(position, position + size)))
    position += size
  }
  return handed
}

test('every message is handed on whole, once and in order, however it came', () => {
  const sizes = fc.array(
    fc.oneof(
      fc.constantFrom(0, 1, 3, 100, 70_000, LARGE_BYTES, 1_500_000),
      fc.constant('keepalive' as const),
      fc.constant('done' as const),
    ),
    { minLength: 1, maxLength: 8 },
  )
  const cuts = fc.array(
    fc.oneof(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1_000, max: 400_000 })),
    { minLength: 1, maxLength: 30 },
  )
  fc.assert(
    fc.property(sizes, cuts, (items, cutSizes) => {
      const messages = items.map((item, index) => {
        if (item === 'done') return message('c', Buffer.alloc(0))
        return item === 'keepalive' ? keepalive(index) : walData(item, index + 1)
      })
      const expected = messages.map((bytes, index) =>
        typeof items[index] === 'number'
          ? { kind: 'wal', bytes: bytes.subarray(5 + WAL_HEADER_BYTES) }
          : { kind: 'other', bytes },
      )
      const longest = Math.max(...messages.map(({ length }) => length))
      const scaled = longest > 100_000 ? [...cutSizes, 50_000] : cutSizes
      const handed = handedOn(Buffer.concat(messages), scaled)
      expect(handed.map(({ kind }) => kind)).toEqual(expected.map(({ kind }) => kind))
      expect(handed.every(({ bytes }, index) => expected[index]?.bytes.equals(bytes))).toBe(true)
    }),
    { numRuns: 60 },
  )
})

test('WAL data is handed on where it was read, without a copy', () => {
  const chunk = Buffer.concat([walData(10, 1), walData(20, 2)])
  const memory: unknown[] = []
  const messages = new BackendMessages({
    onWalData: (bytes) => memory.push(bytes),
    onOther: () => undefined,
  })
  messages.push(chunk)
  expect(memory).toEqual([chunk, chunk])
  expect(memory.every((bytes) => bytes === chunk)).toBe(true)
})

test('WAL data that is shorter than its own header is handed on empty', () => {
  expect(handedOn(message('d', Buffer.from('w123')), [100])).toEqual([
    { kind: 'wal', bytes: Buffer.alloc(0) },
  ])
})
