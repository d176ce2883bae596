import { expect, test } from 'vitest'
import { RetentionClock } from './retention-clock.ts'

const MINUTE_MS = 60_000
const START_MS = 1_700_000_000_000

/** What the clock says after each look, in minutes since the start; so do the readings. */
function minutes(readings: readonly (readonly [monotonic: number, wall: number])[]): number[] {
  const clock = new RetentionClock()
  return readings.map(([monotonic, wall]) => {
    const wallMs = START_MS + wall * MINUTE_MS
    const nowMs = clock.nowMs({ monotonicMs: monotonic * MINUTE_MS, wallMs })
    return (nowMs - START_MS) / MINUTE_MS
  })
}

test.for([
  {
    what: 'goes with the wall clock',
    readings: [
      [0, 0],
      [5, 5],
      [10, 11],
    ],
    says: [0, 5, 11],
  },
  {
    what: 'follows a jump back at once',
    readings: [
      [0, 0],
      [5, -60],
    ],
    says: [0, -60],
  },
  {
    what: 'does not believe a jump forward, and forgets it when it is over',
    readings: [
      [0, 0],
      [5, 9000],
      [10, 9005],
      [15, 15],
    ],
    says: [0, 5, 10, 15],
  },
  {
    what: 'believes a jump forward after an hour',
    readings: [
      [0, 0],
      [5, 9000],
      [64, 9059],
      [65, 9060],
      [70, 9065],
    ],
    says: [0, 5, 64, 9060, 9065],
  },
  {
    what: 'catches up after a look that came late',
    readings: [
      [0, 0],
      [300, 305],
      [301, 306],
    ],
    says: [0, 305, 306],
  },
] as const)('it $what', ({ readings, says }) => {
  expect(minutes(readings)).toEqual(says)
})
