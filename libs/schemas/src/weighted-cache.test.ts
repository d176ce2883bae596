import { expect, test } from 'vitest'
import { WeightedCache } from './weighted-cache.ts'

test('it holds the last ones, by number and by weight', () => {
  const cache = new WeightedCache<string, number>({ countMax: 3, weightMax: 10 })
  const kept = (): string =>
    ['a', 'b', 'c', 'd'].filter((key) => cache.get(key) !== undefined).join('')
  for (const key of ['a', 'b', 'c', 'd']) cache.set(key, 1, 1)
  expect(kept()).toBe('bcd')
  cache.set('a', 2, 9)
  expect(kept()).toBe('ad')
  cache.set('a', 3, 2)
  cache.set('b', 1, 11)
  expect([kept(), cache.get('a')]).toEqual(['ad', 3])
})
