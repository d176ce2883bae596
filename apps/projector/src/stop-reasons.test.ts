import { expect, test } from 'vitest'
import { explainBatch } from './stop-reasons.ts'

test('a table that is not as the code has it is told with what to do about it', () => {
  const error = new Error('column t.title does not exist')
  expect(explainBatch(error, 'schema')).toMatch(
    /^column t\.title does not exist\. The tables are not what .* then restart the projector\.$/,
  )
  expect(explainBatch(error, 'data')).toBe('column t.title does not exist')
})
