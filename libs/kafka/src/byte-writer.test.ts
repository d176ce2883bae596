import { expect, test } from 'vitest'
import { ByteReader } from './byte-reader.ts'
import { ByteWriter } from './byte-writer.ts'

const COUNT = 1_000
const UUID = '00010203-0405-4607-8809-0a0b0c0d0e0f'

test.for([
  ['int8', (writer) => writer.int8(-1), (reader) => reader.int8(), -1],
  ['int16', (writer) => writer.int16(-2), (reader) => reader.int16(), -2],
  ['int32', (writer) => writer.int32(-3), (reader) => reader.int32(), -3],
  ['int64', (writer) => writer.int64(-4n), (reader) => reader.int64(), -4],
  ['uuid', (writer) => writer.uuid(UUID), (reader) => reader.uuid(), UUID],
  ['string', (writer) => writer.string('topic'), (reader) => reader.string(), 'topic'],
  [
    'a string of older versions',
    (writer) => writer.plainString('ä'),
    (reader) => reader.plainString(),
    'ä',
  ],
] as const satisfies readonly (readonly [
  string,
  (writer: ByteWriter) => unknown,
  (reader: ByteReader) => unknown,
  unknown,
])[])('%s is written, however many there are', ([, write, read, value]) => {
  const writer = new ByteWriter()
  for (let index = 0; index < COUNT; index += 1) write(writer)
  const reader = new ByteReader(writer.bytes)
  expect(Array.from({ length: COUNT }, () => read(reader))).toEqual(Array(COUNT).fill(value))
  expect(reader.remaining).toBe(0)
})
