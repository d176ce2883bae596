import { lsn } from '@fairlead/base'
import { UNKNOWN_LSN, formatCommitToken, joinCommitTokens } from '@fairlead/outbox'
import { describe, expect, test } from 'vitest'
import { momentOf } from './moment.ts'

test.for([
  ['2026-01-31T12:00:00Z', Date.UTC(2026, 0, 31, 12)],
  ['2026-01-31T12:00:00.250+02:00', Date.UTC(2026, 0, 31, 10, 0, 0, 250)],
  ['2026-01-31T12:00-05:00', Date.UTC(2026, 0, 31, 17)],
  ['2028-02-29', Date.UTC(2028, 1, 29)],
] as const)('%s is a moment', ([text, untilMs]) => {
  expect(momentOf(text)).toEqual({ untilMs })
})

test.for(['1969-12-31T23:59:59.994Z', '0001-01-01'])(
  '%s is a moment before all events, and no offset that has a meaning of its own to a broker',
  (text) => {
    // The first offset that is not read is that of the next millisecond.
    expect(momentOf(text)).toEqual({ untilMs: -1 })
  },
)

test('a commit LSN is a moment', () => {
  expect(momentOf('0/16B3748')).toEqual({ untilLsn: '0/16B3748' })
})

const token = (position: bigint) =>
  formatCommitToken({
    lsn: lsn(position),
    transactionId: '812',
    written: new Map([['outbox.event.order', null]]),
  })

test('a commit token is the moment behind its writes, and ahead of the commits after them', () => {
  expect(momentOf(token(0x16b3748n))).toEqual({ untilLsn: '0/16B3747' })
  const joined = joinCommitTokens(token(0x16b3748n), token(0x1_0000_0000n), token(7n))
  expect(momentOf(joined)).toEqual({ untilLsn: '0/FFFFFFFF' })
})

test('a commit token without a commit that is known is none', () => {
  const empty = formatCommitToken({ lsn: lsn(0n), transactionId: '0', written: new Map() })
  for (const text of [empty, token(UNKNOWN_LSN)]) {
    expect(() => momentOf(text)).toThrow('does not say when')
  }
  expect(() => momentOf('2.%')).toThrow('is no moment: this is no commit token')
})

describe('no moment is', () => {
  test.for([
    ['what JavaScript would read as a date', 'ZZ/1'],
    ['a month', '2026-1'],
    ['a time without a zone, which is another one on each machine', '2026-01-31T12:00:00'],
    ['a day that there is not', '2026-02-30'],
    ['a time that there is not', '2026-01-31T25:00:00Z'],
    ['an LSN with a digit too many', '0/16B374800'],
    ['a word', 'yesterday'],
  ] as const)('%s', ([, text]) => {
    expect(() => momentOf(text)).toThrow(`"${text}" is no moment: give a time with its zone`)
  })
})
