import { lsn } from '@fairlead/base'
import { describe, expect, test } from 'vitest'
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

describe('a transaction counts as far as its events are applied', () => {
  /** Events of transactions, which commit in the order of their ids. */
  const events = (...transactionIds: readonly number[]) =>
    transactionIds.map((transactionId, offset) => {
      const index = transactionIds.slice(0, offset).filter((id) => id === transactionId).length
      const prepared = closed(offset, transactionId)
      const source = { ...(prepared.source ?? raise()), index, transactionId: `${transactionId}` }
      return { ...prepared, source }
    })
  const applied = (progress: Progress) =>
    progress.source?.recentTransactions.map((each) => [each.transactionId, each.eventCount])

  test('in one batch, or in several that end in the middle of it', () => {
    const records = events(811, 812, 812, 812, 813)
    const whole = admit(BEGINNING, { startOffset: 0, records, nextOffset: 5 })
    const first = admit(BEGINNING, { startOffset: 0, records: records.slice(0, 2), nextOffset: 2 })
    expect(applied(first.to)).toEqual([
      ['811', 1],
      ['812', 1],
    ])
    const second = admit(first.to, { startOffset: 2, records: records.slice(2, 3), nextOffset: 3 })
    const third = admit(second.to, { startOffset: 3, records: records.slice(3), nextOffset: 5 })
    expect(applied(third.to)).toEqual([
      ['811', 1],
      ['812', 3],
      ['813', 1],
    ])
    expect(third.to).toEqual(whole.to)
  })

  test('not by an event that was published again', () => {
    const [first, second] = events(812, 812)
    const again = { ...first, record: { ...first?.record, offset: 1 } } as typeof first
    const behind = { ...second, record: { ...second?.record, offset: 2 } } as typeof second
    const records = [first, again, behind].flatMap((each) => (each === undefined ? [] : [each]))
    expect(applied(admit(BEGINNING, { startOffset: 0, records, nextOffset: 3 }).to)).toEqual([
      ['812', 2],
    ])
  })

  test('not by those of another with its id, as of a database that was restored', () => {
    const [earlier, later] = [events(812), events(812)]
    const moved = later.map((each) => ({
      ...each,
      record: { ...each.record, offset: 1 },
      source: { ...each.source, commitLsn: lsn(each.source.commitLsn + 8n) },
    }))
    const to = admit(BEGINNING, {
      startOffset: 0,
      records: [...earlier, ...moved],
      nextOffset: 2,
    }).to
    expect(applied(to)).toEqual([['812', 1]])
  })
})

function raise(): never {
  throw new Error('the record has no position')
}
