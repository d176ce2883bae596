import { expect, test } from 'vitest'
import { TrySize } from './try-size.ts'

const passed = { failedCount: 0, tookMs: 10 }

test('letters that pass make the next try larger, up to a bound', () => {
  const size = new TrySize(4)
  expect(size.lettersMax).toBe(4)
  size.committed(passed)
  expect(size.lettersMax).toBe(8)
  for (let each = 0; each < 10; each += 1) size.committed(passed)
  expect(size.lettersMax).toBe(500)
})

test('a letter that fails again leads back to the first size', () => {
  const size = new TrySize(4)
  for (let each = 0; each < 10; each += 1) size.committed(passed)
  size.committed({ failedCount: 1, tookMs: 10 })
  expect(size.lettersMax).toBe(4)
})

test('a try that takes long is followed by smaller ones, of one letter at least', () => {
  const size = new TrySize(4)
  const sizes = [1, 2, 3].map(() => {
    size.committed({ failedCount: 0, tookMs: 5_000 })
    return size.lettersMax
  })
  expect(sizes).toEqual([2, 1, 1])
})

test('a try that came to nothing is followed by one of a single letter', () => {
  const size = new TrySize(500)
  size.failed()
  expect(size.lettersMax).toBe(1)
  size.committed(passed)
  expect(size.lettersMax).toBe(2)
})
