import { DecodeError, lsn } from '@fairlead/base'
import { expect, test } from 'vitest'
import { parseTimelineHistory, sharedUntil } from './timeline-history.ts'

const HISTORY = `1\t0/3000060\tno recovery target specified

2\t1/A0000B8\tafter LSN 1/A0000A0
# a comment
`

test('a history names the end of each ancestor', () => {
  const history = parseTimelineHistory(HISTORY)
  expect(history).toEqual([
    { timeline: 1, switchLsn: lsn(0x3000060n) },
    { timeline: 2, switchLsn: lsn(0x10a0000b8n) },
  ])
  expect(sharedUntil(history, 1)).toBe(lsn(0x3000060n))
  expect(sharedUntil(history, 4)).toBeUndefined()
})

test('the first timeline has no history', () => {
  expect(parseTimelineHistory('')).toEqual([])
})

test.for(['1', 'x\t0/1', '1\t0-1', '99999999999 0/1'])('%j is no history', (text) => {
  expect(() => parseTimelineHistory(text)).toThrow(DecodeError)
})
