import { expect, test } from 'vitest'
import { type Progress, admit } from './progress.ts'
import { sampleRecord } from './sample-projection.test-fixture.ts'

const BEGINNING: Progress = { nextOffset: 0, source: null, eventTimeMs: null }
const closed = (offset: number, commit = offset) =>
  sampleRecord({ type: 'Closed', key: 'a' }, offset, commit)

test('records below the checkpoint are duplicates', () => {
  const from = { ...BEGINNING, nextOffset: 2 }
  const admitted = admit(from, {
    startOffset: 0,
    records: [closed(0), closed(1), closed(2)],
    nextOffset: 3,
  })
  expect(admitted.records.map(({ record }) => record.offset)).toEqual([2])
  expect(admitted.duplicateCount).toBe(2)
})

test('progress passes gaps, ignored records and what is behind the last record', () => {
  const ignored = { ...closed(4), content: { kind: 'ignored' as const } }
  const admitted = admit(BEGINNING, {
    startOffset: 0,
    records: [closed(1), ignored],
    nextOffset: 9,
  })
  expect(admitted).toMatchObject({ ignoredCount: 1, records: [{ record: { offset: 1 } }] })
  expect(admitted.to).toMatchObject({ nextOffset: 9, eventTimeMs: 1_004 })
})

test('a fetch without records moves progress, never back', () => {
  expect(admit(BEGINNING, { startOffset: 0, records: [], nextOffset: 3 }).to.nextOffset).toBe(3)
  const ahead = { ...BEGINNING, nextOffset: 5 }
  expect(admit(ahead, { startOffset: 0, records: [], nextOffset: 3 }).to.nextOffset).toBe(5)
})

test('an event that was published again moves the offset, and not the source', () => {
  const first = admit(BEGINNING, { startOffset: 0, records: [closed(0, 5)], nextOffset: 1 })
  const again = admit(first.to, { startOffset: 1, records: [closed(1, 4)], nextOffset: 2 })
  expect(again).toMatchObject({ records: [], duplicateCount: 1 })
  expect(again.to).toEqual({ ...first.to, nextOffset: 2 })
})

test('a fetch that begins above the checkpoint is not applied: what is between was never seen', () => {
  const from = { ...BEGINNING, nextOffset: 2 }
  expect(() => admit(from, { startOffset: 3, records: [closed(3)], nextOffset: 4 })).toThrow(
    'begins at the checkpoint',
  )
  expect(() => admit(from, { startOffset: 3, records: [], nextOffset: 4 })).toThrow(
    'begins at the checkpoint',
  )
})
