import { defineConfig } from 'vitest/config'

const POSTGRES_TESTS = '**/*.pg.test.ts'
/** They fetch clients in other languages from package registries, and take their time. */
const INTEROP_TESTS = 'e2e/**/*.interop.test.ts'
/** Whole systems, too, but without processes, sockets or waiting: quick enough for every change. */
const SIMULATIONS = 'e2e/simulation/**/*.test.ts'
/** They time what they see, load the machine by themselves, or use the ports of the README. */
const E2E_ALONE = [
  'e2e/hostile/**/*.test.ts',
  'e2e/kills/**/*.test.ts',
  'e2e/pipeline/**/*.test.ts',
  'e2e/**/*chaos.test.ts',
  'e2e/relay/broker-down.test.ts',
  'e2e/relay/network.test.ts',
  'e2e/relay/takeover.test.ts',
  'e2e/projections/rebuild-promote.test.ts',
  'e2e/projections/rebuild-traffic.test.ts',
]
const SOURCES = [
  'libs/*/src/**/*.test.ts',
  'apps/*/src/**/*.test.ts',
  'examples/*/src/**/*.test.ts',
]

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          include: [...SOURCES, 'tools/**/*.test.ts', SIMULATIONS],
          exclude: [POSTGRES_TESTS, '**/node_modules/**'],
          // Against what hangs; a machine with other work must fail nothing.
          testTimeout: 120_000,
          hookTimeout: 120_000,
          expect: { poll: { timeout: 60_000 } },
        },
      },
      {
        test: {
          name: 'pg',
          include: SOURCES.map((pattern) => pattern.replace('*.test.ts', '*.pg.test.ts')),
          globalSetup: ['libs/testing/src/postgres-global-setup.ts'],
          testTimeout: 120_000,
          hookTimeout: 120_000,
          expect: { poll: { timeout: 60_000 } },
        },
      },
      {
        test: {
          name: 'e2e',
          include: ['e2e/**/*.test.ts'],
          exclude: [...E2E_ALONE, SIMULATIONS, INTEROP_TESTS, '**/node_modules/**'],
          testTimeout: 300_000,
          hookTimeout: 300_000,
          // Most of them wait for time-outs of others most of the time.
          maxWorkers: 2,
          sequence: { groupOrder: 1 },
        },
      },
      {
        test: {
          name: 'e2e-alone',
          include: E2E_ALONE,
          testTimeout: 300_000,
          hookTimeout: 300_000,
          fileParallelism: false,
          sequence: { groupOrder: 2 },
        },
      },
      {
        test: {
          name: 'interop',
          include: [INTEROP_TESTS],
          testTimeout: 300_000,
          // The first run fetches and builds what it tests.
          hookTimeout: 900_000,
          fileParallelism: false,
          sequence: { groupOrder: 3 },
        },
      },
    ],
  },
})
