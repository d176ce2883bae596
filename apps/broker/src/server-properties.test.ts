import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { loadConfig } from '@fairlead/service'
import { expect, test } from 'vitest'
import { BROKER_CONFIG_ALL, BROKER_UNSUPPORTED } from './config.ts'
import { configProblems } from './config-rules.ts'

/** As people write it for a combined node of Kafka 4. */
const SERVER_PROPERTIES = `
# The role of this server.
process.roles=broker,controller
node.id=1
controller.quorum.bootstrap.servers=localhost:9093
listeners=PLAINTEXT://:9092,CONTROLLER://:9093
inter.broker.listener.name=PLAINTEXT
advertised.listeners=PLAINTEXT://localhost:9092,CONTROLLER://localhost:9093
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SSL:SSL,\\
  SASL_PLAINTEXT:SASL_PLAINTEXT,SASL_SSL:SASL_SSL
num.network.threads=3
num.io.threads=8
socket.send.buffer.bytes=102400
socket.receive.buffer.bytes=102400
socket.request.max.bytes=104857600
log.dirs=/tmp/kraft-combined-logs
num.partitions=1
num.recovery.threads.per.data.dir=2
offsets.topic.replication.factor=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
log.flush.interval.messages=10000
log.retention.hours=168
log.retention.bytes=1073741824
log.segment.bytes=1073741824
log.retention.check.interval.ms=300000
log.message.timestamp.before.max.ms=9223372036854775807
log.cleaner.min.cleanable.ratio=0.3
default.replication.factor=3
listener.name.plaintext.max.connections=100
`

function load(text: string, env: Readonly<Record<string, string>> = {}) {
  const path = join(mkdtempSync(join(tmpdir(), 'properties-')), 'server.properties')
  writeFileSync(path, text)
  return loadConfig(BROKER_CONFIG_ALL, {
    envPrefix: 'KAFKA_',
    argv: ['--config', path],
    env,
    unsupported: BROKER_UNSUPPORTED,
  })
}

test('a file made for Kafka is accepted, with one warning for each key without effect', () => {
  const { config, warnings } = load(SERVER_PROPERTIES)
  expect(configProblems(config)).toEqual([])
  expect(config['log.dirs']).toEqual(['/tmp/kraft-combined-logs'])
  expect(config['log.cleaner.min.cleanable.ratio']).toBe(0.3)
  const named = warnings.map((warning) => warning.split(' ')[0])
  expect(named).toContain('num.io.threads')
  expect(named).toContain('listener.name.plaintext.max.connections')
  expect(new Set(named).size).toBe(named.length)
  for (const warning of warnings) expect(warning).toMatch(/ has no effect: \w+/)
})

test('the variables of its container images are accepted', () => {
  const env = {
    KAFKA_NODE_ID: '7',
    KAFKA_LOG_DIRS: '/data',
    KAFKA_OPTS: '-Dx=y',
    KAFKA_HEAP_OPTS: '-Xmx1g',
    KAFKA_JMX_PORT: '9999',
    KAFKA_LOG4J_ROOT_LOGLEVEL: 'INFO',
    KAFKA_LISTENER_NAME_PLAINTEXT_SSL_PROTOCOL: 'TLSv1.3',
  }
  const { config, warnings } = load('', env)
  expect(config['node.id']).toBe(7)
  expect(warnings).toHaveLength(1)
})

test('an unknown key ends the start with the nearest name', () => {
  expect(() => load('log.retention.hour=1')).toThrow('did you mean log.retention.hours?')
})

test('a key without effect must have a value of Kafka', () => {
  expect(() => load('num.io.threads=0')).toThrow('Value must be at least 1')
  expect(() => load('ssl.client.auth=maybe')).toThrow('one of: required, requested, none')
})

test('log.dir is where the data is when log.dirs is absent', () => {
  const { config } = load('log.dir=/only')
  expect(config['log.dirs'] ?? config['log.dir']).toEqual(['/only'])
  expect(configProblems(config)).toEqual([])
})
