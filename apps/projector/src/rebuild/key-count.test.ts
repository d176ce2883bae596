import { expect, test } from 'vitest'
import { KeyCount } from './key-count.ts'

test('each text counts once', () => {
  const keys = new KeyCount({ bytesMax: 1_000 })
  for (const text of ['a', 'b', 'a']) keys.add(text)
  expect(keys.count).toBe(2)
})

test('how many there are is not said once they do not fit into memory', () => {
  const keys = new KeyCount({ bytesMax: 1_000 })
  for (let key = 0; key < 100; key += 1) keys.add(`key ${key}`)
  expect(keys.count).toBeNull()
})
