import { NEVER_RETRIED, type Projection } from '@fairlead/projection'
import { Metrics } from '@fairlead/service'
import { Projector, type ProjectorOptions } from '../projector.ts'
import { JsonSerde } from './accounts.test-fixture.ts'
import type { MemoryLog } from './memory-log.test-fixture.ts'

export type TestProjector = {
  readonly projector: Projector
  readonly health: ReadonlyMap<string, true | string>
  readonly failures: unknown[]
  readonly metrics: Metrics
  readonly serde: JsonSerde
}

/** A projector in this process, over a log in memory and a real Postgres. */
export function startProjector(
  databaseUrl: string,
  log: MemoryLog,
  projections: readonly Projection[],
  options: Partial<ProjectorOptions> = {},
): TestProjector {
  const health = new Map<string, true | string>()
  const failures: unknown[] = []
  const metrics = new Metrics({ service: 'projector', version: 'test' })
  const serde = new JsonSerde()
  const silent = (): void => undefined
  const projector = new Projector({
    databaseUrl,
    databaseConnectionsMax: 5,
    operatorConnectionsMax: 1,
    log: log.open(),
    serde,
    projections,
    groupIdPrefix: 'test',
    batchRecordsMax: 2_000,
    fetchBytesMax: 1_000_000,
    rowCacheBytesMax: 10_000_000,
    rebuildMemoryBytesMax: 100_000_000,
    parkedKeysPerMinuteMax: 20,
    parkedRetry: NEVER_RETRIED,
    eventAheadMaxMs: 86_400_000,
    tenantHeader: undefined,
    mirror: undefined,
    metrics,
    health: { set: (check, state) => health.set(check, state) },
    logger: { debug: silent, info: silent, warn: silent, error: silent },
    fail: (error) => failures.push(error),
    ...options,
  })
  return { projector, health, failures, metrics, serde }
}
