import { expect, test } from 'vitest'
import { parseCatOptions, unescape } from './cat-options.ts'

test('letters stand together, values follow at once or apart', () => {
  const options = parseCatOptions(['-CeJ', '-torders', '-p', '2', '-o', '-5', '-c3'], {})
  expect(options).toMatchObject({
    mode: 'consume',
    topic: 'orders',
    partition: 2,
    start: { kind: 'beforeEnd', count: 5 },
    exitAtEnd: true,
    isJson: true,
    recordCountMax: 3,
  })
})

test.for([
  ['beginning', { kind: 'beginning' }],
  ['end', { kind: 'end' }],
  ['17', { kind: 'offset', offset: 17 }],
  ['-17', { kind: 'beforeEnd', count: 17 }],
  ['s@1700000000000', { kind: 'timestamp', timestampMs: 1_700_000_000_000 }],
] as const)('-o %s', ([text, start]) => {
  expect(parseCatOptions(['-C', '-t', 't', '-o', text], {}).start).toEqual(start)
})

test('a time to stop at goes with a time to start at', () => {
  const options = parseCatOptions(['-C', '-t', 't', '-o', 's@1', '-o', 'e@9'], {})
  expect(options.start).toEqual({ kind: 'timestamp', timestampMs: 1 })
  expect(options.stopTimestampMs).toBe(9)
})

test('-G takes a group and its topics', () => {
  const options = parseCatOptions(['-G', 'billing', 'orders', 'payments'], {})
  expect(options).toMatchObject({ mode: 'group', groupId: 'billing' })
  expect(options.operands).toEqual(['orders', 'payments'])
})

test('brokers come from -b, -X, or the environment', () => {
  const brokers = (...argv: string[]) =>
    parseCatOptions(['-L', ...argv], { FAIRLEAD_BOOTSTRAP_SERVER: 'e:3' }).brokers
  expect(brokers('-b', 'a:1,b:2')).toBe('a:1,b:2')
  expect(brokers('-X', 'metadata.broker.list=c:1')).toBe('c:1')
  expect(brokers()).toBe('e:3')
})

test.for([
  [['-C'], '-t names the topic'],
  [['-C', '-t', 't', '-o', 'stored'], 'needs a group'],
  [['-C', '-t', 't', '-o', 'soon'], '-o is an integer'],
  [['-C', '-t', 't', '-s', 'avro'], 'needs -r'],
  [['-C', '-t', 't', '-s', 'i'], '-s is avro'],
  [['-C', '-t'], '-t needs a value'],
  [['-Y'], 'there is no option -Y'],
  [['-G', 'group'], '-G is followed by'],
  [['-P', '-t', 't', '-z', 'brotli'], '-z is one of none, gzip, snappy, lz4, zstd'],
] as const)('%o is refused', ([argv, message]) => {
  expect(() => parseCatOptions(argv, {})).toThrow(message)
})

test('escapes become their characters', () => {
  expect(unescape('a\\n\\t\\x41\\\\z')).toBe('a\n\tA\\z')
})

test('a query names several partitions', () => {
  const { topics } = parseCatOptions(['-Q', '-t', 'a:0:-1', '-t', 'a:1:-1'], {})
  expect(topics).toEqual(['a:0:-1', 'a:1:-1'])
})
