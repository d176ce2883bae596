import { expect, test } from 'vitest'
import { type PrintedRecord, compileFormat, formatJson } from './record-format.ts'

const bytes = (text: string) => new TextEncoder().encode(text)

function printed(change: Partial<PrintedRecord> = {}): PrintedRecord {
  const record = {
    topic: 'orders',
    partition: 3,
    offset: 42,
    timestampMs: 1_700_000_000_000,
    key: bytes('k'),
    value: bytes('v'),
    headers: [
      ['a', bytes('1')],
      ['b', null],
    ] as const,
  }
  return {
    record,
    key: record.key,
    value: record.value,
    keyIsJson: false,
    valueIsJson: false,
    ...change,
  }
}

const text = (format: string, record = printed()) =>
  new TextDecoder().decode(compileFormat(format)(record))

test.for([
  ['%t[%p]@%o %T\\n', 'orders[3]@42 1700000000000\n'],
  ['%k=%s (%K,%S) 100%%', 'k=v (1,1) 100%'],
  ['%h', 'a=1,b=NULL'],
] as const)('%s', ([format, expected]) => {
  expect(text(format)).toBe(expected)
})

test('a null key has length -1 and prints nothing', () => {
  expect(text('<%k> %K', printed({ key: null }))).toBe('<> -1')
})

test.for([
  ['nothing', null],
  ['what is empty', new Uint8Array(0)],
])('with -Z %s is printed as NULL', ([, value]) => {
  const record = printed({ key: value as Uint8Array | null, value: value as Uint8Array | null })
  expect(new TextDecoder().decode(compileFormat('%k=%s %S', true)(record))).toMatch(/^NULL=NULL /)
})

test('a record without headers has none in JSON, as in kcat', () => {
  const { record } = printed()
  const bare = printed({ record: { ...record, headers: [] } })
  expect(JSON.parse(new TextDecoder().decode(formatJson(bare)))).not.toHaveProperty('headers')
})

test('an unknown letter is refused', () => {
  expect(() => compileFormat('%y')).toThrow('-f knows no %y')
})

test('JSON is one line, with the letters of kcat', () => {
  expect(JSON.parse(new TextDecoder().decode(formatJson(printed())))).toEqual({
    topic: 'orders',
    partition: 3,
    offset: 42,
    tstype: 'create',
    ts: 1_700_000_000_000,
    headers: ['a', '1', 'b', null],
    key: 'k',
    payload: 'v',
  })
})

test('a decoded value keeps its 64-bit numbers', () => {
  const value = bytes('{"total":9007199254740993}')
  const line = new TextDecoder().decode(formatJson(printed({ value, valueIsJson: true })))
  expect(line).toContain('"payload":{"total":9007199254740993}')
})
