import { expect, test } from 'vitest'
import { entryOf, headersOf } from './log-record.ts'

const OWN = { topic: '_schemas', topicId: 'own' }
const OTHER = { topic: '_schemas', topicId: 'other' }

const recordAt = (offset: number, headers: ReturnType<typeof headersOf>) => ({
  offset,
  key: null,
  value: null,
  headers,
  timestampMs: 1_700_000_000_000,
})

test('a record of this topic at another offset lost, and is read', () => {
  expect(entryOf(recordAt(7, headersOf(5, OWN)), OWN)).toMatchObject({ expectedOffset: 5 })
})

test('a record of another topic at another offset ends the registry, which could not judge it', () => {
  expect(() => entryOf(recordAt(7, headersOf(9, OTHER)), OWN)).toThrow(
    /id own\) is a copy of the topic with id other.*record 7 was written as 9.*"fairlead schema import"/,
  )
})

test('a copy with the offsets of its origin is as good as that', () => {
  expect(entryOf(recordAt(7, headersOf(7, OTHER)), OWN)).toMatchObject({ expectedOffset: 7 })
})

test.for([
  ['without headers', [], undefined],
  ['without an id', headersOf(9, { topic: '_schemas', topicId: undefined }), 9],
  ['with a header that is no offset', [['fairlead.expected.offset', null]], -1],
] as const)('a record %s is judged by its offset alone', ([, headers, expectedOffset]) => {
  expect(entryOf(recordAt(7, headers), OWN)).toEqual({
    offset: 7,
    key: null,
    value: null,
    expectedOffset,
    timestampMs: 1_700_000_000_000,
  })
})

test('where brokers have no ids of topics nothing is written, nor judged', () => {
  const nowhere = { topic: '_schemas', topicId: undefined }
  expect(headersOf(9, nowhere).map(([name]) => name)).toEqual(['fairlead.expected.offset'])
  expect(entryOf(recordAt(7, headersOf(9, OTHER)), nowhere)).toMatchObject({ expectedOffset: 9 })
})
