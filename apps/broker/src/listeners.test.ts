import { hostname } from 'node:os'
import { loadConfig } from '@fairlead/service'
import { describe, expect, test } from 'vitest'
import { BROKER_CONFIG_ALL, type BrokerConfig } from './config.ts'
import { configProblems } from './config-rules.ts'
import { readListeners } from './listeners.ts'

function config(keys: Readonly<Record<string, string>>): BrokerConfig {
  const argv = Object.entries(keys).map(([key, value]) => `--${key}=${value}`)
  return loadConfig(BROKER_CONFIG_ALL, { envPrefix: 'KAFKA_', argv, env: {} }).config
}

const TWO = 'INTERNAL://0.0.0.0:19092,EXTERNAL://0.0.0.0:9092'
const TWO_ADVERTISED = 'INTERNAL://broker:19092,EXTERNAL://127.0.0.1:9092'
const TWO_PROTOCOLS = 'INTERNAL:PLAINTEXT,EXTERNAL:PLAINTEXT'

describe('listeners', () => {
  test.for([
    { listener: 'PLAINTEXT://127.0.0.1:9092', bind: { host: '127.0.0.1', port: 9092 } },
    { listener: 'PLAINTEXT://[::1]:0', bind: { host: '::1', port: 0 } },
    { listener: 'plaintext://localhost:9092', bind: { host: 'localhost', port: 9092 } },
  ])('$listener is bound and advertised', ({ listener, bind }) => {
    expect(readListeners(config({ listeners: listener }))).toEqual({
      listeners: [{ name: 'PLAINTEXT', bind, advertised: bind }],
      problems: [],
    })
  })

  test('each listener has an advertised address of its own', () => {
    const { listeners, problems } = readListeners(
      config({
        listeners: TWO,
        'advertised.listeners': TWO_ADVERTISED,
        'listener.security.protocol.map': TWO_PROTOCOLS,
        'inter.broker.listener.name': 'INTERNAL',
      }),
    )
    expect(problems).toEqual([])
    expect(listeners).toEqual([
      {
        name: 'INTERNAL',
        bind: { host: '0.0.0.0', port: 19_092 },
        advertised: { host: 'broker', port: 19_092 },
      },
      {
        name: 'EXTERNAL',
        bind: { host: '0.0.0.0', port: 9092 },
        advertised: { host: '127.0.0.1', port: 9092 },
      },
    ])
  })

  test('the server.properties that Kafka 4 ships names a listener of the quorum, which is left out', () => {
    const { listeners, problems } = readListeners(
      config({
        listeners: 'PLAINTEXT://:9092,CONTROLLER://:9093',
        'inter.broker.listener.name': 'PLAINTEXT',
        'advertised.listeners': 'PLAINTEXT://localhost:9092,CONTROLLER://localhost:9093',
        'controller.listener.names': 'CONTROLLER',
        'listener.security.protocol.map':
          'CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT,SASL_SSL:SASL_SSL',
      }),
    )
    expect(problems).toEqual([])
    expect(listeners.map(({ name }) => name)).toEqual(['PLAINTEXT'])
  })

  test('a listener without a host is advertised under the name of the machine, as in Kafka', () => {
    const { listeners, problems } = readListeners(config({ listeners: 'PLAINTEXT://:9092' }))
    expect(problems).toEqual([])
    expect(listeners).toEqual([
      {
        name: 'PLAINTEXT',
        bind: { host: '', port: 9092 },
        advertised: { host: hostname(), port: 9092 },
      },
    ])
  })

  test('one port may be used over IPv4 and over IPv6', () => {
    const listeners = 'A://127.0.0.1:9092,B://[::1]:9092'
    const map = 'A:PLAINTEXT,B:PLAINTEXT'
    const both = config({ listeners, 'listener.security.protocol.map': map })
    expect(readListeners(both).problems).toEqual([])
  })
})

const two = {
  listeners: TWO,
  'advertised.listeners': TWO_ADVERTISED,
  'listener.security.protocol.map': TWO_PROTOCOLS,
}

test.for([
  {
    rule: 'a listener has a name, a host and a port',
    keys: { listeners: 'a:1' },
    problem: 'listeners: "a:1" is not of the form NAME://host:port',
  },
  {
    rule: 'a port has 16 bits',
    keys: { listeners: 'PLAINTEXT://a:70000' },
    problem: 'listeners: "PLAINTEXT://a:70000" is not of the form',
  },
  {
    rule: 'there is a listener',
    keys: { listeners: '' },
    problem: 'listeners: no listener is for clients; add one',
  },
  {
    rule: 'names are unique',
    keys: { listeners: 'PLAINTEXT://a:1,plaintext://a:2' },
    problem: 'listeners: PLAINTEXT is there twice',
  },
  {
    rule: 'ports are unique',
    keys: { ...two, listeners: 'INTERNAL://0.0.0.0:9092,EXTERNAL://127.0.0.1:9092' },
    problem: 'listeners: INTERNAL and EXTERNAL both use port 9092',
  },
  {
    rule: 'each listener has a protocol',
    keys: { ...two, 'listener.security.protocol.map': 'INTERNAL:PLAINTEXT' },
    problem:
      'listener.security.protocol.map: has no entry for the listener EXTERNAL; add EXTERNAL:PLAINTEXT',
  },
  {
    rule: 'the protocol is supported',
    keys: { ...two, 'listener.security.protocol.map': 'INTERNAL:PLAINTEXT,EXTERNAL:SASL_SSL' },
    problem: 'the listener EXTERNAL speaks SASL_SSL, which is not supported yet; use PLAINTEXT',
  },
  {
    rule: 'a listener named like a protocol speaks it',
    keys: { listeners: 'SSL://a:1' },
    problem: 'the listener SSL speaks SSL, which is not supported yet',
  },
  {
    rule: 'the map names protocols',
    keys: { ...two, 'listener.security.protocol.map': 'INTERNAL:TLS,EXTERNAL:PLAINTEXT' },
    problem: '"INTERNAL:TLS" names no security protocol; the protocols are PLAINTEXT, SSL',
  },
  {
    rule: 'the map has pairs',
    keys: { ...two, 'listener.security.protocol.map': 'PLAINTEXT' },
    problem: '"PLAINTEXT" is not of the form NAME:PROTOCOL',
  },
  {
    rule: 'what is advertised is a listener',
    keys: { 'advertised.listeners': 'PLAINTEXT://a:1,OTHER://a:2' },
    problem: 'advertised.listeners: OTHER is not one of listeners; add it there or remove it here',
  },
  {
    rule: 'every listener is advertised',
    keys: { ...two, 'advertised.listeners': 'INTERNAL://broker:19092' },
    problem: 'advertised.listeners: has no address for EXTERNAL; add EXTERNAL://host:port',
  },
  {
    rule: 'a client never gets an address that it cannot connect to',
    keys: { ...two, 'advertised.listeners': 'INTERNAL://0.0.0.0:19092,EXTERNAL://127.0.0.1:9092' },
    problem: 'advertised.listeners: clients cannot connect to "0.0.0.0"; add INTERNAL://host:port',
  },
  {
    rule: 'all interfaces are no address for clients',
    keys: { listeners: 'PLAINTEXT://0.0.0.0:9092' },
    problem: 'advertised.listeners: clients cannot connect to "0.0.0.0"; add PLAINTEXT://host:port',
  },
  {
    rule: 'brokers use a listener',
    keys: { ...two, 'inter.broker.listener.name': 'REPLICATION' },
    problem:
      'inter.broker.listener.name: REPLICATION is not a listener for brokers; choose from INTERNAL, EXTERNAL',
  },
  {
    rule: 'there is one directory',
    keys: { 'log.dirs': '/a,/b,/a' },
    problem: 'log.dirs: holds /a twice; remove one of them',
  },
  {
    rule: 'the node has both roles',
    keys: { 'process.roles': 'controller' },
    problem: 'process.roles: "controller" is not supported; write broker,controller',
  },
  {
    rule: 'session timeouts have a range',
    keys: { 'group.min.session.timeout.ms': '2', 'group.max.session.timeout.ms': '1' },
    problem: 'group.min.session.timeout.ms: 2 is above group.max.session.timeout.ms 1',
  },
])('$rule', ({ keys, problem }) => {
  const problems = configProblems(config(keys))
  expect(problems).toHaveLength(1)
  expect(problems[0]).toContain(problem)
})
