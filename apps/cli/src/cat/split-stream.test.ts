import fc from 'fast-check'
import { expect, test } from 'vitest'
import { splitStream } from './split-stream.ts'

const bytes = (text: string) => new TextEncoder().encode(text)

async function parts(chunks: readonly string[], delimiter: string, lengthBytesMax = 100) {
  const result: string[] = []
  for await (const part of splitStream(chunks.map(bytes), {
    delimiter: bytes(delimiter),
    lengthBytesMax,
  })) {
    result.push(new TextDecoder().decode(part))
  }
  return result
}

test('parts do not depend on how the stream is cut into chunks', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.stringMatching(/^[a-z|]*$/), { maxLength: 20 }),
      async (chunks) => {
        const whole = chunks.join('')
        const expected = whole.split('||')
        if (expected.at(-1) === '') expected.pop()
        expect(await parts(chunks, '||')).toEqual(expected)
      },
    ),
  )
})

test('a record without an end is refused before it fills the memory', async () => {
  await expect(parts(['a'.repeat(60), 'b'.repeat(60)], '\n')).rejects.toThrow('larger than 100')
})
