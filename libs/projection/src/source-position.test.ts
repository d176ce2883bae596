import { DecodeError, lsn } from '@fairlead/base'
import { describe, expect, test } from 'vitest'
import {
  advanceSource,
  isRepublished,
  recentTransactions,
  sourcePosition,
} from './source-position.ts'

const at = (commitLsn: bigint, index: number, commitTimeMs: number) => ({
  commitLsn: lsn(commitLsn),
  index,
  commitTimeMs,
  transactionId: null,
})

describe('headers give a source position', () => {
  test('when the relay wrote all three', () => {
    const headers = { 'cdc.lsn': '0/16B3748', 'cdc.seq': '2', 'cdc.ts': '1700000000000' }
    expect(sourcePosition(headers)).toEqual(at(0x16b3748n, 2, 1_700_000_000_000))
  })

  test.for([
    {},
    { 'cdc.lsn': '0/1' },
    { 'cdc.lsn': '0/1', 'cdc.seq': '-1', 'cdc.ts': '1' },
    { 'cdc.lsn': '0/1', 'cdc.seq': '1', 'cdc.ts': 'now' },
    { 'cdc.lsn': '0/1', 'cdc.seq': '1', 'cdc.ts': '1', 'cdc.replayed': 'true' },
  ] as const)('%o is the position of no relay', (headers) => {
    expect(sourcePosition(headers)).toBeNull()
  })

  test('an LSN that is none is a decode error', () => {
    const headers = { 'cdc.lsn': 'zero', 'cdc.seq': '0', 'cdc.ts': '1' }
    expect(() => sourcePosition(headers)).toThrow(DecodeError)
  })
})

describe('after an event at (20, 1) committed at 500', () => {
  const seen = { ...at(20n, 1, 500), recentTransactions: [{ transactionId: '7', eventCount: 1 }] }
  test.for([
    ['the same event is a repetition', at(20n, 1, 500), true],
    ['an earlier event of its transaction is one', at(20n, 0, 500), true],
    ['an event of an earlier transaction is one', at(10n, 7, 499), true],
    ['the next event of its transaction is none', at(20n, 2, 500), false],
    ['an event of a later transaction is none', at(21n, 0, 500), false],
    ['a later transaction may have an earlier clock', at(21n, 0, 400), false],
    ['a lower LSN with a later commit is a new history', at(10n, 0, 501), false],
  ] as const)('%s', ([, position, expected]) => {
    expect(isRepublished(position, seen)).toBe(expected)
  })

  test('the latest commit time stays, so that the repetition of a transaction with it is found', () => {
    expect(advanceSource(at(21n, 0, 400), seen)).toEqual({
      commitLsn: 21n,
      index: 0,
      commitTimeMs: 500,
      recentTransactions: [{ transactionId: '7', eventCount: 1 }],
    })
  })
})

describe('the last transactions', () => {
  const upTo = (from: number, to: number) =>
    Array.from({ length: to - from + 1 }, (_, index) => ({
      transactionId: String(from + index),
      eventCount: 1,
    }))

  test('are each there once, the newest last, with what was counted last', () => {
    const goingOn = { transactionId: '2', eventCount: 5 }
    const recent = recentTransactions(upTo(1, 2), [goingOn, ...upTo(3, 4)])
    expect(recent).toEqual([...upTo(1, 1), goingOn, ...upTo(3, 4)])
  })

  test('are 64 at most, of which the oldest go first', () => {
    const recent = recentTransactions(upTo(1, 40), upTo(41, 90))
    expect(recent).toEqual(upTo(27, 90))
    expect(recentTransactions(recent, upTo(91, 500))).toEqual(upTo(437, 500))
  })

  test.for([
    ['812', '812'],
    ['-1', null],
    ['9'.repeat(19), null],
    ['abc', null],
  ] as const)('header %s is transaction %s', ([header, transactionId]) => {
    const headers = { 'cdc.lsn': '0/1', 'cdc.seq': '0', 'cdc.ts': '1', txId: header }
    expect(sourcePosition(headers)).toMatchObject({ transactionId })
  })
})
