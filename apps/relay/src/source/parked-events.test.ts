import { lsn } from '@fairlead/base'
import type pg from 'pg'
import { expect, test } from 'vitest'
import { ParkedEvents } from './parked-events.ts'

const NOTHING_STORED = { query: () => Promise.resolve({ rows: [] }) } as unknown as pg.Client
const at = (commitLsn: bigint) => ({ commitLsn: lsn(commitLsn), commitIndex: 0 })

test('only a settled event that the log may still bring is kept in mind', async () => {
  const parked = await ParkedEvents.load(NOTHING_STORED, { slotName: 's', keysMax: 1 })
  expect(parked.isSettled(at(5n))).toBe(false)
  parked.settle(at(4n))
  parked.settle(at(9n))
  expect([at(4n), at(9n)].map((position) => parked.isSettled(position))).toEqual([false, true])
})
