import fc from 'fast-check'
import { expect, test } from 'vitest'
import { KeyTexts } from './key-texts.ts'

test('keys are their bytes as text, whatever other keys were there before', () => {
  // Few slots, and keys that are much alike.
  const key = fc.array(fc.constantFrom(0, 0x61, 0x62, 0x7f), { maxLength: 6 })
  fc.assert(
    fc.property(fc.array(key, { maxLength: 200 }), (keys) => {
      const texts = new KeyTexts()
      texts.expect(1)
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
