import { expect, test } from 'vitest'
import { residentBytesOf } from './resident-bytes.ts'

test('without a file left the resident memory is what it was', () => {
  let error: Error | undefined
  const residentBytes = residentBytesOf(() => {
    if (error !== undefined) throw error
    return 100
  })
  expect(residentBytes()).toBe(100)
  error = Object.assign(new Error('too many open files'), { code: 'EMFILE' })
  expect(residentBytes()).toBe(100)
  error = new Error('a bug')
  expect(residentBytes).toThrow('a bug')
})
