import fc from 'fast-check'
import { expect, test } from 'vitest'
import { javaDouble, javaFloat } from './java-number.ts'
import { readJson } from './read-json.ts'
import { writeJson } from './write-json.ts'

const failureOf = (action: () => unknown): string => {
  try {
    action()
    return 'none'
  } catch (error) {
    return error instanceof Error ? error.name : 'not an error'
  }
}

const rewritten = (text: string): string => writeJson(readJson(text))

test.for([
  ['9223372036854775807', '9223372036854775807'],
  ['123456789012345678901234567890', '123456789012345678901234567890'],
  ['-0', '0'],
  ['1e3', '1000.0'],
  ['1.50', '1.5'],
  ['"\\u00e9\\/"', '"é/"'],
  ['"\\u0000\\u001f\\b\\n"', '"\\u0000\\u001F\\b\\n"'],
  ['{"a":1,"b":2,"a":3}', '{"a":3,"b":2}'],
  ['{"__proto__":{"x":1},"constructor":2}', '{"__proto__":{"x":1},"constructor":2}'],
  ['/* c */ [ // d\n1 ] // e', '[1]'],
])('%s is rewritten as %s', ([text = '', expected]) => {
  expect(rewritten(text)).toBe(expected)
})

test.for([
  ['', 'ends where a value is due'],
  ['\uFEFF1', 'expected a JSON value'],
  ['NaN', "unrecognized token 'NaN'"],
  ['01', 'malformed number'],
  ['1.', 'malformed number'],
  ['-', 'malformed number'],
  ['+1', 'expected a JSON value'],
  ['"\t"', 'control character'],
  ['"\\x"', 'unknown escape'],
  ['"\\u12"', 'four hexadecimal digits'],
  ['"', 'ends inside a string'],
  ['[1,]', 'expected a JSON value'],
  ['{"a":1,}', 'member name'],
  ['{a:1}', 'member name'],
  ['1 2', 'dangling content'],
  ['/* ', 'ends inside a comment'],
  ['['.repeat(100_000), 'nesting is deeper'],
  ['1'.repeat(1_001), 'more than 1000 characters'],
])('%j is refused: %s', ([text = '', problem = '']) => {
  expect(() => readJson(text)).toThrow(problem)
})

test('arbitrary text gives a value or a DecodeError, never another failure', () => {
  const fragments = fc.constantFrom(
    '{',
    '}',
    '[',
    ']',
    '"',
    ':',
    ',',
    '\\u00',
    '1',
    'e',
    '.',
    '-',
    '/*',
    'null',
  )
  const text = fc.oneof(
    fc.string(),
    fc.array(fragments).map((parts) => parts.join('')),
  )
  fc.assert(
    fc.property(text, (input) => {
      expect(['none', 'DecodeError']).toContain(failureOf(() => readJson(input)))
    }),
  )
})

test('what JSON.stringify writes is read as the same value', () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      expect(JSON.parse(rewritten(JSON.stringify(value)))).toEqual(
        JSON.parse(JSON.stringify(value)),
      )
    }),
  )
})

test.for([
  [0, '0.0'],
  [-0, '-0.0'],
  [1000, '1000.0'],
  [9999999, '9999999.0'],
  [1e7, '1.0E7'],
  [15000000000, '1.5E10'],
  [0.001, '0.001'],
  [0.00001, '1.0E-5'],
  [12345678.9, '1.23456789E7'],
  [5e-324, '4.9E-324'],
  [2e23, '2.0E23'],
  [1.7976931348623157e308, '1.7976931348623157E308'],
  [-2.25, '-2.25'],
] as const)('the double %d is printed as %s', ([value, text]) => {
  expect(javaDouble(value)).toBe(text)
})

test('a float is printed with the digits of a float', () => {
  expect(['0.1', '1.6777216E7', '1.4E-45'].map((text) => javaFloat(Number(text)))).toEqual([
    '0.1',
    '1.6777216E7',
    '1.4E-45',
  ])
})

test('every double reads back from its Java text', () => {
  fc.assert(
    fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (value) => {
      expect(Number(javaDouble(value))).toBe(value)
    }),
  )
})
