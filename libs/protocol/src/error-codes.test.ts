import { expect, test } from 'vitest'
import { codeOfError, errorOfCode, isRetriable } from './index.ts'

const NEWEST = 133

test('every number up to the newest has a name, and every name its number', () => {
  for (let code = -1; code <= NEWEST; code += 1) expect(codeOfError(errorOfCode(code))).toBe(code)
})

test.for([
  ['UNKNOWN_SERVER_ERROR', -1, false],
  ['NONE', 0, false],
  ['CORRUPT_MESSAGE', 2, true],
  ['NOT_LEADER_OR_FOLLOWER', 6, true],
  ['BROKER_NOT_AVAILABLE', 8, false],
  ['UNSUPPORTED_VERSION', 35, false],
  ['OUT_OF_ORDER_SEQUENCE_NUMBER', 45, false],
  ['CONCURRENT_TRANSACTIONS', 51, true],
  ['MEMBER_ID_REQUIRED', 79, false],
  ['UNKNOWN_TOPIC_ID', 100, true],
  ['REBOOTSTRAP_REQUIRED', 129, false],
] as const)('%s is %d, retriable: %s', ([name, code, retriable]) => {
  expect(codeOfError(name)).toBe(code)
  expect(isRetriable(name)).toBe(retriable)
})
