import { expect, test } from 'vitest'
import { hyphenatedUuid } from './hyphenated-uuid.ts'

test('a UUID is written as others write it', () => {
  const bytes = Uint8Array.from({ length: 16 }, (_, index) => index * 0x11)
  expect(hyphenatedUuid(bytes)).toBe('00112233-4455-6677-8899-aabbccddeeff')
  expect(hyphenatedUuid(bytes.map((byte) => byte & 0x0f))).toBe(
    '00010203-0405-0607-0809-0a0b0c0d0e0f',
  )
})
