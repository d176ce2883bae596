import { expect, test } from 'vitest'
import { BenchUsageError, benchUsage, parseBenchOptions } from './options.ts'

const SECTIONS = { relay: ['backlog', 'latency'], restart: [] }

test('options of a benchmark', () => {
  const argv = ['relay', '--only', 'backlog', '--only', 'latency', '--rounds', '1', '--quick']
  expect(parseBenchOptions(argv, SECTIONS)).toEqual({
    wanted: ['relay'],
    isHelp: false,
    isQuick: true,
    only: ['backlog', 'latency'],
    match: [],
    rounds: 1,
    events: undefined,
  })
  expect(parseBenchOptions([], SECTIONS)).toMatchObject({ wanted: [], rounds: 3 })
})

test.each([
  [['relays'], 'no benchmark "relays": choose from relay, restart'],
  [['relay', '--only', 'live'], '--only live: relay has no such section; choose from backlog'],
  [['restart', '--only', 'live'], '--only live: restart has no such section; it has none'],
  [['--only', 'backlog'], '--only backlog: name the one benchmark that has this section'],
  [['relay', '--rounds', '0'], '--rounds 0: give a whole number from 1 on'],
  [['relay', '--events', '1e'], '--events 1e: give a whole number from 1 on'],
  [['relay', '--round', '1'], "Unknown option '--round'"],
])('%j is refused before anything starts', (argv, message) => {
  expect(() => parseBenchOptions(argv, SECTIONS)).toThrow(BenchUsageError)
  expect(() => parseBenchOptions(argv, SECTIONS)).toThrow(message)
})

test('the usage lists the sections of each benchmark', () => {
  expect(benchUsage(SECTIONS)).toMatch(/^ {2}relay {4}backlog, latency\n {2}restart$/m)
})
