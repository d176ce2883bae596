import { expect, test } from 'vitest'
import { type Progress, progressText } from './progress-text.ts'

const progress: Progress = {
  state: 'building',
  phase: 'loading',
  done: 120_000,
  total: 480_000,
  eventsPerSecond: 40_000.4,
  eta: '2026-01-31T12:00:09.000Z',
  parked: 0,
  code: null,
  reason: null,
}
const nowMs = Date.parse('2026-01-31T12:00:00.000Z')

test('a line shows phase, share, counts, rate and the time that is left', () => {
  expect(progressText(progress, nowMs)).toBe(
    'loading      [======                  ]   25 %  120,000 of 480,000  40,000/s  9 s left',
  )
})

test('what is not known is left out', () => {
  const start = { ...progress, phase: null, done: 0, total: 0, eventsPerSecond: 0, eta: null }
  expect(progressText(start, nowMs)).toBe('building     [                        ]    0 %')
})

test('parked keys are told, and long waits in minutes or hours', () => {
  const late = { ...progress, eta: '2026-01-31T12:10:00.000Z', parked: 2 }
  expect(progressText(late, nowMs)).toMatch(/ {2}10 min left {2}2 parked$/)
  expect(progressText({ ...progress, eta: '2026-01-31T15:00:00.000Z' }, nowMs)).toMatch(/3 h left$/)
})
