import { expect, test } from 'vitest'
import { responseErrors } from './response-errors.ts'

test('the codes of a response and of all that is in it are counted', () => {
  const partition = {
    partitionIndex: 0,
    errorCode: 'OFFSET_OUT_OF_RANGE',
    records: new Uint8Array(9),
  }
  const responses = [
    { topic: 'a', partitions: [partition, { ...partition, errorCode: 'NONE' }] },
    { topic: 'b', partitions: [partition] },
  ]
  const errors = responseErrors('Fetch', { errorCode: 'NONE', sessionId: 0, responses })
  expect(Object.fromEntries(errors)).toEqual({ NONE: 2, OFFSET_OUT_OF_RANGE: 2 })
})

test('a code that is left out is none, and so is one of a list that is', () => {
  expect(Object.fromEntries(responseErrors('Heartbeat', {}))).toEqual({ NONE: 1 })
  expect(Object.fromEntries(responseErrors('Produce', {}))).toEqual({})
})

test('codes inside of structs and of null lists are found, too', () => {
  const groups = [{ groupId: 'g', errorCode: 'NOT_COORDINATOR', topics: [] }]
  const errors = responseErrors('OffsetFetch', { topics: null, groups })
  expect(Object.fromEntries(errors)).toEqual({ NONE: 1, NOT_COORDINATOR: 1 })
})
