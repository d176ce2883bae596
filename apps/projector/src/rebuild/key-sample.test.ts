import { expect, test } from 'vitest'
import { KeySample } from './key-sample.ts'

const keys = Array.from({ length: 20_000 }, (_, index) => `account-${index}`)

test('holds a bounded number of the keys of a log, each wanted from its first event on', () => {
  const held = new Set<string>()
  const rejected = new Set<string>()
  const wantedAgain: string[] = []
  const dropped = (key: string): void => {
    held.delete(key)
    rejected.add(key)
  }
  const sample = new KeySample({ known: ['known'], logKeysMax: 10, drop: dropped })
  for (const key of [...keys, ...keys]) {
    if (sample.wants(key)) {
      if (rejected.has(key)) wantedAgain.push(key)
      held.add(key)
    } else rejected.add(key)
    expect(held.size).toBeLessThanOrEqual(21)
  }
  expect(wantedAgain).toEqual([])
  expect(held.size).toBeGreaterThanOrEqual(10)
  expect(sample.wants('known')).toBe(true)
})

test('wants all keys of a log that has no more than were asked for', () => {
  const sample = new KeySample({
    known: [],
    logKeysMax: 50,
    drop: () => expect.unreachable('no key is dropped'),
  })
  const few = keys.slice(0, 50)
  expect(few.every((key) => sample.wants(key))).toBe(true)
})
