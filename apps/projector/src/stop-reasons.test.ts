import { OperationalError } from '@fairlead/base'
import { expect, test } from 'vitest'
import { classifyRead, explainBatch } from './stop-reasons.ts'
import { VersionError } from './store/versions.ts'

test('a table that is not as the code has it is told with what to do about it', () => {
  const error = new Error('column t.title does not exist')
  expect(explainBatch(error, 'schema')).toMatch(
    /^column t\.title does not exist\. The tables are not what .* then restart the projector\.$/,
  )
  expect(explainBatch(error, 'data')).toBe('column t.title does not exist')
})

test('a version whose inbox cannot be opened, as it is retired, is not waited for', () => {
  expect(classifyRead(new VersionError('RETIRED', 'accounts v1 is retired'))).toBe('data')
})

test('a version that is being built is waited for, as its rebuild may be over soon', () => {
  const error = new OperationalError('it is being built', { code: 'NOT_RUNNING', retryable: true })
  expect(classifyRead(error)).toBe('infra')
})
