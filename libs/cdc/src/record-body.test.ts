import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type EventHeader, RecordBody, RecordBodyWriter } from './record-body.ts'

type Parts = {
  readonly key: Uint8Array | null
  readonly value: Uint8Array | null
  readonly headers: readonly EventHeader[]
}

const bytes = (maxLength: number) => fc.option(fc.uint8Array({ maxLength }))
const parts: fc.Arbitrary<Parts> = fc.record({
  key: bytes(100),
  value: fc.oneof({ weight: 9, arbitrary: bytes(300) }, { weight: 1, arbitrary: bytes(90_000) }),
  headers: fc.array(fc.tuple(fc.oneof(fc.string({ unit: 'binary' }), fc.string()), bytes(2_000)), {
    maxLength: 80,
  }),
})

function written(writer: RecordBodyWriter, { key, value, headers }: Parts): RecordBody {
  writer.begin()
  writer.bytes(key)
  writer.bytes(value)
  writer.headerCount(headers.length)
  for (const header of headers) writer.header(header)
  return writer.end()
}

const partsOf = ({ key, value, headers }: RecordBody) => ({
  key: key === null ? null : [...key],
  value: value === null ? null : [...value],
  headers: headers.map(([name, header]) => [name, header === null ? null : [...header]]),
})

const expected = ({ key, value, headers }: Parts) => ({
  key: key === null ? null : [...key],
  value: value === null ? null : [...value],
  headers: headers.map(([name, header]) => [
    new TextDecoder('utf-8', { ignoreBOM: true }).decode(new TextEncoder().encode(name)),
    header === null ? null : [...header],
  ]),
})

test('records keep their parts, whatever is written behind them', () => {
  fc.assert(
    fc.property(fc.array(parts, { maxLength: 30 }), (records) => {
      const writer = new RecordBodyWriter()
      const bodies = records.map((record) => written(writer, record))
      expect(bodies.map(partsOf)).toEqual(records.map(expected))
    }),
    { numRuns: 50 },
  )
})

test('a record by itself is the one that is written among others', () => {
  fc.assert(
    fc.property(parts, ({ key, value, headers }) => {
      expect(partsOf(RecordBody.of(key, value, headers))).toEqual(expected({ key, value, headers }))
    }),
  )
})

test('a record owns its bytes', () => {
  for (const length of [3, 100, 10_000]) {
    const source = new Uint8Array(length).fill(1)
    const body = RecordBody.of(source, source, [['name', source]])
    source.fill(2)
    expect(new Set([...(body.key ?? []), ...(body.value ?? [])])).toEqual(new Set([1]))
    expect(new Set(body.headers[0]?.[1])).toEqual(new Set([1]))
  }
})

test('a record that is not ended leaves nothing behind', () => {
  const writer = new RecordBodyWriter()
  writer.begin()
  writer.text('given up')
  const body = written(writer, { key: null, value: null, headers: [] })
  expect([body.start, body.end - body.start]).toEqual([0, 3])
})

test('a record that is larger than a piece of memory has memory of its own', () => {
  const writer = new RecordBodyWriter()
  const small = written(writer, { key: null, value: new Uint8Array(10), headers: [] })
  const large = written(writer, { key: null, value: new Uint8Array(70_000), headers: [] })
  const next = written(writer, { key: null, value: new Uint8Array(10), headers: [] })
  expect(large.bytes.buffer).not.toBe(small.bytes.buffer)
  expect(next.bytes.buffer).toBe(small.bytes.buffer)
})

test('a record that is made alone holds on to little more than itself, however long its headers', () => {
  const body = RecordBody.of(new Uint8Array(36), new Uint8Array(300), [
    ['traceparent', new Uint8Array(55)],
    ['baggage', new Uint8Array(1_500)],
  ])
  expect(body.bytes.length).toBeLessThan(3_000)
})

test('a text that is no well-formed UTF-16 is written as TextEncoder would', () => {
  const writer = new RecordBodyWriter()
  writer.begin()
  writer.text('a\ud800b')
  expect([...(writer.end().key ?? [])]).toEqual([...new TextEncoder().encode('a\ud800b')])
})
