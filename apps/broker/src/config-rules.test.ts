import { loadConfig } from '@fairlead/service'
import { expect, test } from 'vitest'
import { BROKER_CONFIG_ALL } from './config.ts'
import { configProblems } from './config-rules.ts'

const MIB = 1024 * 1024

function problems(settings: Readonly<Record<string, string | number>>): readonly string[] {
  const argv = Object.entries(settings).map(([key, value]) => `--${key}=${value}`)
  const { config } = loadConfig(BROKER_CONFIG_ALL, { envPrefix: 'KAFKA_', argv, env: {} })
  return configProblems(config)
}

test('the defaults fit each other', () => {
  expect(problems({})).toEqual([])
})

test.for([
  {
    what: 'parts that pass the memory of the process',
    settings: { 'memory.limit.bytes': 512 * MIB },
    problem:
      /^memory\.limit\.bytes: 536870912 is less than its parts: .* raise it to \d+, or lower/,
  },
  {
    what: 'a request that passes the memory of all requests',
    settings: { 'queued.max.request.bytes': 64 * MIB },
    problem:
      /^queued\.max\.request\.bytes: 67108864 is too little for socket\.request\.max\.bytes 104857600/,
  },
  {
    what: 'an override without a count',
    settings: { 'max.connections.per.ip.overrides': '10.0.0.1' },
    problem:
      /^max\.connections\.per\.ip\.overrides: "10\.0\.0\.1" is not of the form address:count/,
  },
  {
    what: 'an override of a name',
    settings: { 'max.connections.per.ip.overrides': 'somewhere:5' },
    problem: /"somewhere:5" is not of the form/,
  },
])('$what: an error names the key and the next step', ({ settings, problem }) => {
  expect(problems(settings)).toEqual([expect.stringMatching(problem)])
})

test('small parts fit a small process', () => {
  const settings = {
    'memory.limit.bytes': 576 * MIB,
    'queued.max.request.bytes': 64 * MIB,
    'socket.request.max.bytes': 32 * MIB,
    'log.cleaner.dedupe.buffer.size': 4 * MIB,
    'max.connections.per.ip.overrides': '10.0.0.1:5,::1:7,[::2]:0',
  }
  expect(problems(settings)).toEqual([])
})
