import { InvariantViolation } from '@fairlead/base'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { ZERO_UUID, isUuid, uuidText, writeUuid } from './uuid.ts'

test('the text is base64url without padding, as in Kafka', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 16, maxLength: 16 }), (bytes) => {
      const text = uuidText(bytes)
      expect(text).toBe(Buffer.from(bytes).toString('base64url'))
      expect(isUuid(text)).toBe(true)
      const written = new Uint8Array(18)
      writeUuid(text, written, 1)
      expect(written.subarray(1, 17)).toEqual(bytes)
    }),
  )
})

test('the zero UUID is sixteen zero bytes', () => {
  expect(uuidText(new Uint8Array(16))).toBe(ZERO_UUID)
})

test.for(['', 'AAAAAAAAAAAAAAAAAAAAA', 'AAAAAAAAAAAAAAAAAAAAAB', '+AAAAAAAAAAAAAAAAAAAAA'])(
  '%j is no UUID',
  (text) => {
    expect(isUuid(text)).toBe(false)
    expect(() => writeUuid(text, new Uint8Array(16), 0)).toThrow(InvariantViolation)
  },
)
