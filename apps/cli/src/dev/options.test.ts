import { resolve } from 'node:path'
import { expect, test } from 'vitest'
import { DevUsageError, parseDevOptions } from './options.ts'

test('without options the data goes to the default folder', () => {
  expect(parseDevOptions([], {})).toEqual({
    kind: 'run',
    dataFolder: { kind: 'default' },
    ordersPerSecond: 5,
    projections: [],
    databaseUrl: undefined,
  })
})

test.for([
  [['--ephemeral'], { dataFolder: { kind: 'ephemeral' } }],
  [['--data-dir', 'x'], { dataFolder: { kind: 'given', path: 'x' } }],
  [['--rate=200'], { ordersPerSecond: 200 }],
  [
    ['--projections', '/a.ts', '--projections', 'b/../c.ts'],
    { projections: ['/a.ts', resolve('c.ts')] },
  ],
  [['--help'], { kind: 'help' }],
] as const)('%j is understood', ([argv, expected]) => {
  expect(parseDevOptions(argv, {})).toMatchObject(expected)
})

test('DATABASE_URL replaces the embedded Postgres, unless it is empty', () => {
  const url = 'postgres://db/shop'
  expect(parseDevOptions([], { DATABASE_URL: url })).toMatchObject({ databaseUrl: url })
  expect(parseDevOptions([], { DATABASE_URL: '' })).toMatchObject({ databaseUrl: undefined })
})

test.for([
  [['--rate', 'fast'], '--rate is an integer from 0 to 5000, not "fast"'],
  [['--rate', '5001'], '--rate is an integer from 0 to 5000, not "5001"'],
  [['--ephemeral', '--data-dir', 'x'], '--ephemeral and --data-dir exclude each other'],
  [['--ephemerel'], "Unknown option '--ephemerel'"],
  [['stray'], "Unexpected argument 'stray'"],
] as const)('%j is refused: %s', ([argv, message]) => {
  expect(() => parseDevOptions(argv, {})).toThrow(DevUsageError)
  expect(() => parseDevOptions(argv, {})).toThrow(message)
})
