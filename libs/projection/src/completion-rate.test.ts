import { expect, test } from 'vitest'
import { CompletionRate } from './completion-rate.ts'

test('the first two measurements give a speed, and the time that the rest takes', () => {
  const rate = new CompletionRate()
  rate.measure(0, 0)
  expect(rate.remainingMs(1_000)).toBeNull()
  rate.measure(100, 1_000)
  expect(rate.perSecond).toBe(100)
  expect(rate.remainingMs(1_000)).toBe(9_000)
})

test('a change of speed counts little by little', () => {
  const rate = new CompletionRate()
  rate.measure(0, 0)
  rate.measure(100, 1_000)
  rate.measure(400, 2_000)
  expect(rate.perSecond).toBeCloseTo(140)
})

test('what is done in large steps has the speed of all of them, between two steps as well', () => {
  const rate = new CompletionRate()
  const speeds: number[] = []
  for (let measurement = 0; measurement <= 80; measurement += 1) {
    rate.measure(2_000 * Math.floor(measurement / 4), measurement * 500)
    if (measurement >= 4) speeds.push(rate.perSecond)
  }
  for (const speed of speeds) expect(speed).toBeCloseTo(1_000)
})

test('something that stands still for longer than a step becomes slower', () => {
  const rate = new CompletionRate()
  rate.measure(0, 0)
  rate.measure(500, 500)
  for (let measurement = 2; measurement <= 30; measurement += 1) {
    rate.measure(500, measurement * 500)
  }
  expect(rate.perSecond).toBeGreaterThan(0)
  expect(rate.perSecond).toBeLessThan(50)
})

test('something that stands still has no time left that anybody could name', () => {
  const rate = new CompletionRate()
  rate.measure(0, 0)
  rate.measure(10_000, 1_000)
  for (let second = 2; second <= 300; second += 1) {
    rate.measure(10_000, second * 1_000)
    expect(rate.remainingMs(1_000_000) ?? 0).toBeLessThan(366 * 86_400_000)
  }
  expect(rate.remainingMs(1_000_000)).toBeNull()
  rate.measure(20_000, 301_000)
  expect(rate.remainingMs(1_000_000)).toBeGreaterThan(0)
})

test('something that begins anew has no speed yet', () => {
  const rate = new CompletionRate()
  rate.measure(0, 0)
  rate.measure(100, 1_000)
  rate.measure(0, 2_000)
  expect(rate.perSecond).toBe(0)
  expect(rate.remainingMs(0)).toBe(0)
})
