import { Metrics, openMetricsText } from '@fairlead/service'
import { Attempts, BatchLedger } from '@fairlead/projection'
import { expect, test } from 'vitest'
import { ProjectorMetrics } from './projector-metrics.ts'
import { accounts } from './testing/accounts.test-fixture.ts'

const PROGRESS = { done: 5, total: 10, perSecond: 1, eta: null, parked: 0 }
const PLACE = { topic: 'outbox.event.account', partition: 3 }

function projectorMetrics(options: { parkedKeys?: () => Promise<number> } = {}) {
  const registry = new Metrics({ service: 'projector', version: 'test' })
  const { parkedKeys = async () => 0 } = options
  const metrics = new ProjectorMetrics(registry, {
    rowCacheBytes: () => 0,
    letters: async () => [],
    parkedKeys: async () => [
      { projection: 'accounts', version: 1, ...PLACE, keys: await parkedKeys(), retryingKeys: 2 },
      { projection: 'accounts', version: 1, ...PLACE, partition: 4, keys: 7, retryingKeys: 7 },
    ],
  })
  const seriesOf = async (name: string) =>
    (await registry.registry.getSingleMetric(name)?.get())?.values ?? []
  const valuesOf = async (name: string): Promise<readonly number[]> =>
    (await seriesOf(name)).map(({ value }) => value)
  return { metrics, seriesOf, valuesOf, openMetrics: () => openMetricsText(registry.registry) }
}

test('a worker that ends after its successor has begun takes nothing of it away', async () => {
  const { metrics, valuesOf } = projectorMetrics()
  const late = metrics.observer(accounts, PLACE)
  late.state({ kind: 'running' })
  const successor = metrics.observer(accounts, PLACE)
  successor.state({ kind: 'running' })
  successor.fetched({ highWatermark: 9, recordCount: 2, durationMs: 5 })
  late.state({ kind: 'faulted', reason: 'it was fenced' })
  late.released()
  expect(await valuesOf('projection_state')).toEqual([1, 0, 0, 0])
  expect(await valuesOf('projection_head_position')).toEqual([9])
  expect(await valuesOf('projection_heartbeat_timestamp_seconds')).toHaveLength(1)
  successor.released()
  expect(await valuesOf('projection_state')).toEqual([])
  expect(await valuesOf('projection_parked_keys')).toEqual([])
  expect(await valuesOf('projection_retrying_keys')).toEqual([])
})

test('letters that were applied by themselves are told from those that somebody had replayed', async () => {
  const { metrics, seriesOf } = projectorMetrics()
  const observer = metrics.observer(accounts, PLACE)
  const drained = { fence: 2n, unparked: new Set<string>(), failureCounts: new Map() }
  observer.drained({ ...drained, isTimed: true, replayedCount: 3, failedCount: 1 })
  observer.drained({ ...drained, isTimed: false, replayedCount: 5, failedCount: 0 })
  const counts = async (name: string) =>
    (await seriesOf(name)).map(({ value, labels }) => `${labels['result']} ${value}`)
  expect(await counts('dlq_retried_total')).toEqual(['retried 3', 'failed 1'])
  expect(await counts('dlq_replayed_total')).toEqual(['replayed 5', 'failed 0'])
})

test('parked keys are what the database has of the partitions that are here', async () => {
  let answer: () => Promise<number> = async () => 5
  const { metrics, valuesOf } = projectorMetrics({ parkedKeys: () => answer() })
  metrics.observer(accounts, PLACE)
  expect(await valuesOf('projection_parked_keys')).toEqual([5])
  expect(await valuesOf('projection_retrying_keys')).toEqual([2])
  answer = () => Promise.reject(new Error('the database is away'))
  expect(await valuesOf('projection_parked_keys')).toEqual([5])
})

test('a partition of a version that has yet to catch up says so, and a version that is filled', async () => {
  const { metrics, seriesOf } = projectorMetrics()
  metrics.observer(accounts, PLACE).state({ kind: 'running' })
  metrics.versionSeen(accounts, 'catching_up')
  metrics.rebuild({ ...accounts, version: 2 }, { phase: 'loading', ...PROGRESS })
  const current = async () =>
    (await seriesOf('projection_state')).flatMap(({ value, labels }) =>
      value === 1 ? [`v${labels['version']} ${labels['state']}`] : [],
    )
  expect(await current()).toEqual(['v1 catching_up', 'v2 rebuilding'])
  metrics.versionSeen(accounts, 'ready')
  metrics.rebuild({ ...accounts, version: 2 }, null)
  expect(await current()).toEqual(['v1 running'])
})

test('the time of a batch names the trace that it is of', async () => {
  const { metrics, openMetrics } = projectorMetrics()
  const at = { nextOffset: 0, source: null, eventTimeMs: null }
  const admitted = { from: at, to: at, records: [], ignoredCount: 0, duplicateCount: 0 }
  const ledger = new BatchLedger({
    projection: accounts,
    parkedKeys: new Set(),
    attempts: Attempts.none,
    classifyFailed: () => undefined,
  })
  const observer = metrics.observer(accounts, PLACE)
  const trace = { trace_id: '4bf92f3577b34da6a3ce929d0e0e4736', span_id: '00f067aa0ba902b7' }
  observer.committed({ admitted, ledger, durationMs: 30, trace })
  observer.committed({ admitted, ledger, durationMs: 2_000, trace: undefined })
  const exemplar = `# {trace_id="${trace.trace_id}",span_id="${trace.span_id}"} 0.03`
  const named = (await openMetrics()).split('\n').filter((line) => line.includes(exemplar))
  expect(named.map((line) => line.split('{')[0])).toEqual([
    'messaging_process_duration_seconds_bucket',
    'projection_apply_duration_seconds_bucket',
  ])
})
