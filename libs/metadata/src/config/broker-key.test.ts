import { expect, test } from 'vitest'
import { BROKER_CONFIGS, BROKER_KEYS, TOPIC_CONFIGS, configProblem } from '../index.ts'
import { KAFKA_BROKER_KEYS } from './kafka-broker-key.ts'

/** Keys with another type or default than Kafka's, and why. */
const DIFFERENT: Readonly<Record<string, string>> = {
  'controller.listener.names': 'one node needs no listener for its quorum',
  'group.max.size': 'every queue here is bounded',
  listeners: 'nobody is let in from outside by default',
  'log.cleaner.io.max.bytes.per.second': 'the same number, as JavaScript writes it',
  'log.dir': 'the data is ours',
  'max.connections': 'every queue here is bounded',
  'node.id': 'a broker starts without a configuration',
  'process.roles': 'a broker starts without a configuration',
  'queued.max.request.bytes': 'every queue here is bounded',
}

test('every key of Kafka is known, and nothing else but our own', () => {
  const missing = [...KAFKA_BROKER_KEYS.keys()].filter((name) => !BROKER_KEYS.has(name))
  expect(missing).toEqual([])
  const own = [...BROKER_KEYS.keys()].filter((name) => !KAFKA_BROKER_KEYS.has(name))
  expect(own.filter((name) => !name.startsWith('metrics.'))).toEqual([
    'cluster.id',
    'log.dirs.reserve.bytes',
    'log.flush.mode',
    'log.scrub.enable',
    'log.scrub.interval.ms',
    'log.scrub.io.max.bytes.per.second',
    'log.tail.cache.bytes',
    'memory.limit.bytes',
  ])
})

test("a key has Kafka's type and default unless there is a reason", () => {
  const differences = [...BROKER_KEYS].filter(([name, key]) => {
    const kafka = KAFKA_BROKER_KEYS.get(name)
    return kafka !== undefined && (kafka.type !== key.type || kafka.default !== key.default)
  })
  expect(differences.map(([name]) => name)).toEqual(Object.keys(DIFFERENT))
})

test('a key takes effect when it does in Kafka, or at the start only', () => {
  const differences = [...BROKER_KEYS].filter(([name, { update }]) => {
    const kafka = KAFKA_BROKER_KEYS.get(name)
    return kafka !== undefined && update !== 'read-only' && update !== kafka.update
  })
  expect(differences).toEqual([])
})

test('every default of Kafka obeys the rule of its key', () => {
  const problems = [...KAFKA_BROKER_KEYS]
    .filter(([, key]) => key.default !== null && key.default !== '')
    .map(([name, key]) => configProblem(name, key.default ?? '', key))
  expect(problems.filter((problem) => problem !== undefined)).toEqual([])
})

test('every key with an effect has a definition', () => {
  expect(Object.keys(BROKER_CONFIGS).filter((name) => !BROKER_KEYS.get(name)?.hasEffect)).toEqual(
    [],
  )
})

test("the default of a topic is its broker's, where both have the same unit", () => {
  const differences = Object.entries(TOPIC_CONFIGS).flatMap(([topic, { default: own, synonyms }]) =>
    synonyms
      .filter(({ factor }) => factor === undefined)
      .map(({ name }) => ({ topic, name, fallback: BROKER_KEYS.get(name)?.default }))
      .filter(({ fallback }) => fallback !== null && fallback !== own),
  )
  expect(differences).toEqual([])
})
