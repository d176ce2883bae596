import { expect, test } from 'vitest'
import { truncated } from './index.ts'

test.for([
  { text: 'short', lengthMax: 5, expected: 'short' },
  { text: 'longer', lengthMax: 5, expected: 'longe' },
  { text: 'ab😀', lengthMax: 3, expected: 'ab' },
  { text: 'ab😀c', lengthMax: 4, expected: 'ab😀' },
  { text: '', lengthMax: 0, expected: '' },
])('"$text" cut to $lengthMax is "$expected"', ({ text, lengthMax, expected }) => {
  expect(truncated(text, lengthMax)).toBe(expected)
})
