import { expect, test } from 'vitest'
import {
  BROKER_CONFIGS,
  type BrokerSettings,
  TOPIC_CONFIGS,
  UNSUPPORTED_BROKER_CONFIGS,
  configProblem,
  shownValue,
  staticSettings,
  topicConfigsProblem,
  topicSettings,
} from '../index.ts'

const NO_SETTINGS: BrokerSettings = []

test.for(Object.entries(TOPIC_CONFIGS))(
  'the default of %s obeys its own rule',
  ([name, config]) => {
    expect(configProblem(name, config.default, config)).toBeUndefined()
  },
)

test('every broker synonym of a topic configuration is a known key', () => {
  const known = { ...BROKER_CONFIGS, ...UNSUPPORTED_BROKER_CONFIGS }
  const synonyms = Object.values(TOPIC_CONFIGS).flatMap(({ synonyms }) => synonyms)
  for (const { name } of synonyms) expect(Object.keys(known)).toContain(name)
})

test('no broker key both has an effect and has none', () => {
  for (const name of Object.keys(UNSUPPORTED_BROKER_CONFIGS)) {
    expect(Object.keys(BROKER_CONFIGS)).not.toContain(name)
  }
})

test.for([
  ['retention.ms', '-1', undefined],
  ['retention.ms', ' 60000 ', undefined],
  ['retention.ms', '9223372036854775807', undefined],
  ['retention.ms', '9223372036854775808', 'Not a number of type LONG'],
  ['retention.ms', '1e3', 'Not a number of type LONG'],
  ['retention.ms', '', 'Not a number of type LONG'],
  ['retention.ms', '-2', 'Value must be at least -1'],
  ['segment.bytes', '2147483648', 'Not a number of type INT'],
  ['segment.bytes', '13', 'Value must be at least 14'],
  ['compression.gzip.level', '10', 'Value must be between 1 and 9 or equal to -1'],
  ['compression.gzip.level', '0', 'Value must be between 1 and 9 or equal to -1'],
  ['compression.gzip.level', '-1', undefined],
  ['compression.lz4.level', '18', 'Value must be no more than 17'],
  ['leader.replication.throttled.replicas', '*', undefined],
  ['leader.replication.throttled.replicas', '0:1,12:3', undefined],
  ['cleanup.policy', 'compact, delete', undefined],
  ['cleanup.policy', '', undefined],
  ['cleanup.policy', 'shred', 'String must be one of: compact, delete'],
  [
    'compression.type',
    'brotli',
    'String must be one of: uncompressed, zstd, lz4, snappy, gzip, producer',
  ],
  ['message.timestamp.type', 'createtime', 'String must be one of: CreateTime, LogAppendTime'],
  ['preallocate', 'TRUE', undefined],
  ['preallocate', 'yes', 'Expected value to be either true or false'],
  ['min.cleanable.dirty.ratio', '0.25', undefined],
  ['min.cleanable.dirty.ratio', 'half', 'Not a number of type DOUBLE'],
  ['flush.mode', 'group', undefined],
  ['flush.mode', 'never', 'String must be one of: group, os, interval'],
] as const)('%s = "%s": %s', ([name, value, reason]) => {
  const expected = reason && `Invalid value ${value} for configuration ${name}: ${reason}`
  expect(topicConfigsProblem(new Map([[name, value]]), NO_SETTINGS)).toBe(expected)
})

test.for([
  [
    { 'leader.replication.throttled.replicas': '0' },
    "leader.replication.throttled.replicas must be the literal '*' or a list of replicas",
  ],
  [{ 'no.such': '1' }, 'Unknown topic config name: no.such'],
  [{ 'remote.storage.enable': 'true' }, 'Tiered Storage functionality is disabled in the broker.'],
  [
    { 'min.compaction.lag.ms': '10', 'max.compaction.lag.ms': '5' },
    'conflict topic config setting min.compaction.lag.ms (10) > max.compaction.lag.ms (5)',
  ],
] as const)('%o cannot be set', ([configs, message]) => {
  expect(topicConfigsProblem(new Map(Object.entries(configs)), NO_SETTINGS)).toContain(message)
})

test("a topic's settings are its own, over the broker's, over the defaults", () => {
  const own = new Map([
    ['cleanup.policy', 'compact,delete'],
    ['max.message.bytes', '100'],
  ])
  const broker = new Map([
    ['log.segment.bytes', '2000000'],
    ['log.flush.mode', 'os'],
    ['message.max.bytes', '200'],
  ])
  expect(topicSettings(own, [staticSettings(broker)])).toMatchObject({
    cleanupPolicy: ['delete', 'compact'],
    maxMessageBytes: 100,
    segmentBytes: 2_000_000,
    flushMode: 'os',
    retentionMs: 604_800_000,
    maxCompactionLagMs: Number.MAX_SAFE_INTEGER,
  })
})

test.for([
  [{}, { flushMode: 'group', flushMs: Number.MAX_SAFE_INTEGER }],
  [{ 'flush.mode': 'interval' }, { flushMode: 'interval', flushMs: 100 }],
  [
    { 'flush.mode': 'interval', 'flush.ms': '7' },
    { flushMode: 'interval', flushMs: 7 },
  ],
  [
    { 'flush.mode': 'os', 'flush.ms': '7' },
    { flushMode: 'os', flushMs: 7 },
  ],
  [
    { 'flush.mode': 'os', 'flush.messages': '2' },
    { flushMode: 'os', flushMessages: 2 },
  ],
  [{ 'flush.mode': 'os', 'flush.messages': '1' }, { flushMode: 'group' }],
] as const)('%o is %o', ([configs, settings]) => {
  const own = new Map(Object.entries(configs))
  expect(topicSettings(own, NO_SETTINGS)).toMatchObject(settings)
})

test.for([
  ['LONG', ' +5 ', '5'],
  ['INT', '-1', '-1'],
  ['INT', 'five', 'five'],
  ['LONG', '9223372036854775807', '9223372036854775807'],
  ['BOOLEAN', 'TRUE', 'true'],
  ['LIST', ' compact , delete ', 'compact,delete'],
  ['STRING', ' lz4 ', 'lz4'],
  ['DOUBLE', '.5', '0.5'],
  ['DOUBLE', '1', '1.0'],
  ['DOUBLE', '0', '0.0'],
  ['DOUBLE', '1.7976931348623157e+308', '1.7976931348623157E308'],
  ['DOUBLE', '1e-4', '1.0E-4'],
  ['DOUBLE', '10000000', '1.0E7'],
  ['DOUBLE', 'half', 'half'],
] as const)('a %s of "%s" is shown as %s', ([type, text, shown]) => {
  expect(shownValue(text, type)).toBe(shown)
})
