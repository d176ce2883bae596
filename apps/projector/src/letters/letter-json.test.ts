import { expect, test } from 'vitest'
import type { RecordReader } from '../log/prepare-records.ts'
import type { WholeLetter } from '../store/list-letters.ts'
import { decodeLetter } from './letter-json.ts'

test('a value is shown with all that JSON has no number for', async () => {
  const data = {
    none: null,
    doubles: [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 1.5],
    longs: [9_007_199_254_740_993n, 7n],
  }
  const reader = {
    prepare: () => Promise.resolve([{ content: { kind: 'event', event: { data } } }]),
  } as unknown as RecordReader
  const letter = {
    headers: [],
    eventTime: new Date(0),
    editedValue: null,
  } as unknown as WholeLetter
  const decoded = await decodeLetter({ reader, sources: [] }, letter, { reveal: true })
  expect(decoded.value).toEqual({
    none: null,
    doubles: ['NaN', 'Infinity', '-Infinity', 1.5],
    longs: ['9007199254740993', 7],
  })
})
