import { expect, test } from 'vitest'
import { parseConfigFile } from './parse-file.ts'

const parsed = (text: string): Record<string, unknown> =>
  Object.fromEntries(parseConfigFile('server.properties', text))

test.for([
  ['a=b', { a: 'b' }],
  ['  a = b  ', { a: 'b' }],
  ['a: b', { a: 'b' }],
  ['a b c', { a: 'b c' }],
  ['a\tb', { a: 'b' }],
  ['a=', { a: '' }],
  ['a==b', { a: '=b' }],
  ['listeners PLAINTEXT://:9092', { listeners: 'PLAINTEXT://:9092' }],
  ['a=b=c:d', { a: 'b=c:d' }],
  [String.raw`a\:b\=c\ d=e`, { 'a:b=c d': 'e' }],
  [String.raw`path=C\:\\logs`, { path: String.raw`C:\logs` }],
  [String.raw`a=\u00e9\t\n|\q`, { a: 'é\t\n|q' }],
  ['# c\n! d\n\n  # e\na=b', { a: 'b' }],
  ['a=b\\\n   c\\\n\td', { a: 'bcd' }],
  ['a=b\\\\\nc=d', { a: 'b\\', c: 'd' }],
  ['# goes on? \\\na=b', { a: 'b' }],
  ['a=b\\\n# no comment', { a: 'b# no comment' }],
  ['a=b\r\nc=d\re=f', { a: 'b', c: 'd', e: 'f' }],
  ['a=b\\', { a: 'b' }],
  ['a=1\na=2', { a: '2' }],
  ['', {}],
])('%j has the meaning that it has in Java', ([text, values]) => {
  expect(parsed(text as string)).toEqual(values)
})

test.for([
  ['a=b\nrubbish', 'line 2 is not "key=value": rubbish'],
  ['=b', 'line 1 is not "key=value": =b'],
  ['a=b\\\nc\nrubbish', 'line 3 is not "key=value": rubbish'],
] as const)('%j is refused with its line', ([text, message]) => {
  expect(() => parsed(text)).toThrow(message)
})
