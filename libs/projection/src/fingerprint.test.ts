import { expect, test } from 'vitest'
import { fingerprintOf } from './fingerprint.ts'

const failure = {
  stage: 'handle',
  errorClass: 'RangeError',
  errorCode: '',
  errorMessage: 'account "a-1": quantity -3 is not positive',
  errorStack:
    'RangeError: x\n    at positive (/app/projections.ts:107:29)\n    at on (/app/x.ts:1:1)',
}

test('values in the message and positions in the stack do not tell causes apart', () => {
  const other = {
    ...failure,
    errorMessage: 'account "b-77": quantity -12 is not positive',
    errorStack: 'RangeError: y\n    at positive (/srv/projections.js:9:1)',
  }
  expect(fingerprintOf(other)).toBe(fingerprintOf(failure))
  expect(fingerprintOf(failure)).toMatch(/^[0-9a-f]{16}$/)
})

test.for([
  { stage: 'write' },
  { errorClass: 'TypeError' },
  { errorCode: '22003' },
  { errorMessage: 'the account is closed' },
  { errorStack: 'RangeError: x\n    at negative (/app/projections.ts:107:29)' },
])('%j is another cause', (change) => {
  expect(fingerprintOf({ ...failure, ...change })).not.toBe(fingerprintOf(failure))
})
