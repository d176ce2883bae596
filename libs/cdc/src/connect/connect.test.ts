import fc from 'fast-check'
import { expect, test } from 'vitest'
import { toBase64 } from './base64.ts'
import { type ConnectSchema, optional, required, struct } from './connect-schema.ts'
import { expandJson } from './expand-json.ts'
import { javaDouble, javaFloat } from './java-number.ts'
import { scalarTextOf, toConnectJson } from './json-converter.ts'
import { parseJsonTree } from './json-tree.ts'
import { toConnectText, toHeaderText } from './string-converter.ts'

test.for([
  [0, '0.0'],
  [-0, '-0.0'],
  [1, '1.0'],
  [0.001, '0.001'],
  [0.0001, '1.0E-4'],
  [9_999_999, '9999999.0'],
  [10_000_000, '1.0E7'],
  [12_345_678.5, '1.23456785E7'],
  [-1.5e300, '-1.5E300'],
  [5e-324, '5.0E-324'],
  [Number.NaN, 'NaN'],
  [Number.NEGATIVE_INFINITY, '-Infinity'],
] as const)('Java writes the double %d as %s', ([value, text]) => {
  expect(javaDouble(value)).toBe(text)
})

test('every double can be read back from its text', () => {
  fc.assert(
    fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (value) => {
      expect(Number(javaDouble(value))).toBe(value)
    }),
  )
})

test('a float has as few digits as give it back', () => {
  expect(javaFloat(Math.fround(1.1))).toBe('1.1')
  fc.assert(
    fc.property(fc.float({ noNaN: true, noDefaultInfinity: true }), (value) => {
      expect(Math.fround(Number(javaFloat(value)))).toBe(value)
    }),
  )
})

test('base64 is that of everybody', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
      expect(toBase64(bytes)).toBe(Buffer.from(bytes).toString('base64'))
    }),
  )
})

test('a tree of JSON keeps digits, and every document is read to its end', () => {
  const items = [{ kind: 'number', text: '1.10' }]
  expect(parseJsonTree(' [ 1.10 ] ')).toEqual({ kind: 'array', items })
  expect(parseJsonTree('{')).toBeUndefined()
  expect(parseJsonTree('['.repeat(5_000) + ']'.repeat(5_000))).toBeUndefined()
  fc.assert(
    fc.property(fc.json(), (text) => {
      expect(parseJsonTree(text)).toBeDefined()
    }),
  )
})

const EXPAND = { nulls: 'ignore', emptyArrays: 'ignore' } as const

function expanded(text: string, options: Parameters<typeof expandJson>[2] = EXPAND) {
  const datum = expandJson('payload', text, options)
  return 'fault' in datum ? undefined : toConnectJson(datum, false)
}

test.for([
  { text: '{"a": null, "b": []}', json: '{}' },
  { text: '{"a": 1e2}', json: '{"a":100.0}' },
  { text: '{"a": [1, null]}', json: '{"a":[1,null]}' },
  { text: '{"a": [[1], [2]]}', json: '{"a":[[1],[2]]}' },
  { text: '{"a": [1, 12345678901]}', json: undefined },
  { text: '{"a": 123456789012345678901}', json: undefined },
  { text: '{"a": [{"b": 1}, {"b": "x"}]}', json: undefined },
  { text: '[1]', json: undefined },
  { text: '"text"', json: undefined },
])('$text expands to $json', ({ text, json }) => {
  expect(expanded(text)).toBe(json)
})

test('nulls and empty arrays are kept where that is asked for', () => {
  const options = { nulls: 'optional_bytes', emptyArrays: 'optional_string' } as const
  expect(expanded('{"a": null, "b": []}', options)).toBe('{"a":null,"b":[]}')
})

const ROW: ConnectSchema = struct('Row', [
  { name: 'text', schema: required('string') },
  { name: 'bytes', schema: optional(required('bytes')) },
  { name: 'left', schema: optional(required('int32')) },
])

test('a field that is left out is in no text', () => {
  const datum = { schema: ROW, value: ['a"b\u0001', Uint8Array.of(1), undefined] }
  expect(toConnectJson(datum, false)).toBe(String.raw`{"text":"a\"b\u0001","bytes":"AQ=="}`)
  expect(toHeaderText({ schema: ROW, value: ['a', null, 1] })).toBe(
    '{"text":"a","bytes":null,"left":1}',
  )
  expect(toConnectText({ schema: ROW, value: ['a', null, 1] })).toBe('Struct{text=a,left=1}')
})

test.for([true, false])('a scalar is found again in its JSON, with schemas: %s', (hasSchemas) => {
  const jsonOf = (type: 'string' | 'int64', value: string | bigint) =>
    toConnectJson({ schema: required(type), value }, hasSchemas) ?? ''
  expect(scalarTextOf(jsonOf('string', 'a "quoted" text'))).toBe('a "quoted" text')
  expect(scalarTextOf(jsonOf('int64', 9_223_372_036_854_775_807n))).toBe('9223372036854775807')
})

test.for(['', 'b7c1-plain', 'null', '{"a": 1}', '[1]'])('no scalar is in %s', (text) => {
  expect(scalarTextOf(text)).toBeUndefined()
})

test('the schema of a payload that is nested deeply is written once, and one whose names would be too large is none', () => {
  const nested = (depth: number, name: string) =>
    `${`{"${name}":`.repeat(depth)}1${'}'.repeat(depth)}`
  const datum = expandJson('payload', nested(990, 'x'.repeat(8)), EXPAND)
  if ('fault' in datum) throw new Error(datum.fault)
  const { schema } = JSON.parse(toConnectJson(datum, true) ?? '') as { schema: { name: string } }
  expect(schema.name).toBe('payload')
  // Twice that: half a gigabyte of names out of a megabyte of text, which no string can have.
  expect(expandJson('payload', nested(990, 'x'.repeat(1_000)), EXPAND)).toEqual({
    fault: expect.stringContaining('nested too deeply') as string,
  })
})
