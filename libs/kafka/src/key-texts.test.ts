import fc from 'fast-check'
import { expect, test } from 'vitest'
import { KeyTexts } from './key-texts.ts'

test('keys are their bytes as text, whatever other keys were there before', () => {
  const texts = new KeyTexts()
  // Keys that are much alike, and more of them than there are slots.
  const key = fc.oneof(
    fc.array(fc.constantFrom(0, 0x61, 0x62, 0x7f), { maxLength: 70 }),
    fc.integer({ min: 0, max: 20_000 }).map((id) => [...Buffer.from(`order-${id}`)]),
  )
  fc.assert(
    fc.property(fc.array(key, { maxLength: 300 }), (keys) => {
      for (const bytes of keys) {
        const among = Buffer.from([0x62, ...bytes, 0x61])
        const text = texts.asciiText(among, 1, 1 + bytes.length)
        expect(text).toBe(Buffer.from(bytes).toString('latin1'))
      }
    }),
  )
})

test('what is not ASCII is left to others', () => {
  const texts = new KeyTexts()
  for (const key of [Buffer.from('ä'), Buffer.of(0xff), Buffer.from('aaaaaaaaä')]) {
    expect(texts.asciiText(key, 0, key.length)).toBeUndefined()
  }
})
