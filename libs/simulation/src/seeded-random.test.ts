import { expect, test } from 'vitest'
import { SeededRandom } from './seeded-random.ts'

const draws = (random: SeededRandom) => Array.from({ length: 50 }, () => random.uint32())

test('a seed gives the same numbers each time, and another seed others', () => {
  expect(draws(new SeededRandom(7))).toEqual(draws(new SeededRandom(7)))
  expect(draws(new SeededRandom(7))).not.toEqual(draws(new SeededRandom(8)))
  expect(draws(new SeededRandom(7))).not.toEqual(draws(new SeededRandom(7 + 2 ** 32)))
})

test('the numbers of a seed stay what they are: a seed that found something is worth keeping', () => {
  expect(draws(new SeededRandom(42)).slice(0, 4)).toEqual([
    1849552023, 4223452576, 118919111, 3893884377,
  ])
})

test('what a fork draws does not move the numbers of the others', () => {
  const random = new SeededRandom(7)
  const other = new SeededRandom(7)
  draws(random.fork())
  other.fork()
  expect(draws(random)).toEqual(draws(other))
})

test('numbers stay in their bounds and reach them', () => {
  const random = new SeededRandom(1)
  const found = new Set(Array.from({ length: 1000 }, () => random.between(3, 6)))
  expect(found).toEqual(new Set([3, 4, 5, 6]))
  expect(random.chance(0)).toBe(false)
  expect(random.chance(1)).toBe(true)
  expect(random.int(2 ** 32)).toBeLessThan(2 ** 32)
  expect(() => random.int(0)).toThrow('bound')
  expect(() => new SeededRandom(-1)).toThrow('seed')
})

test('two hundred thousand draws are spread over all bytes evenly', () => {
  const counts = new Uint32Array(256)
  for (const byte of new SeededRandom(5).bytes(200_000)) counts[byte] = (counts[byte] ?? 0) + 1
  expect(Math.min(...counts)).toBeGreaterThan(650)
  expect(Math.max(...counts)).toBeLessThan(920)
})
