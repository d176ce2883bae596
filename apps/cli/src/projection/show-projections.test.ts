import { afterEach, expect, test, vi } from 'vitest'
import { runCommand } from '../command/run-command.ts'
import { PROJECTION_LAG } from './show-projections.ts'

afterEach(() => {
  vi.restoreAllMocks()
})

const partition = (lagRecords: number) => ({
  topic: 'outbox.event.order',
  partition: 0,
  nextOffset: 10,
  endOffset: 10 + lagRecords,
  lagRecords,
  lagSeconds: null,
})
const version = (state: string, ...lags: readonly number[]) => ({
  version: 1,
  state,
  partitions: lags.map(partition),
})

test.for([
  { what: 'is within the limit', versions: [version('live', 60, 40)], exitCode: 0 },
  { what: 'lags further', versions: [version('live', 60, 41)], exitCode: 10 },
  {
    what: 'is within it, as another one lags',
    versions: [version('live', 1), version('standby', 999)],
    exitCode: 0,
  },
  { what: 'reads no partition', versions: [version('live')], exitCode: 10 },
  { what: 'is not there', versions: [version('ready', 0)], exitCode: 10 },
  { what: 'is not there, nor any other', versions: [], exitCode: 10 },
])('--fail-above 100 ends with $exitCode when the live version $what', async (of) => {
  vi.spyOn(globalThis, 'fetch').mockResolvedValue(Response.json({ versions: of.versions }))
  const argv = ['projection', 'lag', 'orders', '--fail-above', '100']
  const exitCode = await runCommand([PROJECTION_LAG], argv, {
    stdout: () => undefined,
    stderr: () => undefined,
    isWatched: false,
    ask: undefined,
    env: {},
    signal: new AbortController().signal,
  })
  expect(exitCode).toBe(of.exitCode)
})
