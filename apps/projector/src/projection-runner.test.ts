import { expect, test } from 'vitest'
import type { EventLog, JoinOptions } from './log/event-log.ts'
import { PauseGate } from './pause-gate.ts'
import { ProjectionRunner } from './projection-runner.ts'
import { ReplayOrders } from './replay-orders.ts'
import { RowCaches } from './row-cache.ts'
import type { Database } from './store/database.ts'
import { JsonSerde, accounts } from './testing/accounts.test-fixture.ts'
import { MemoryLog } from './testing/memory-log.test-fixture.ts'

const silent = (): void => undefined

/** A runner without partitions, which therefore asks nothing of a database. */
function startRunner(log: EventLog) {
  const health: (true | string)[] = []
  const runner = new ProjectionRunner({
    db: {} as Database,
    log,
    serde: new JsonSerde(),
    registered: { projection: accounts, projectionId: 1, schemaName: 'rm_accounts_v1' },
    gate: new PauseGate(),
    groupIdPrefix: 'test',
    rowCaches: new RowCaches({ bytesMax: 0 }),
    replayOrders: new ReplayOrders({ db: {} as Database, nowMs: () => 0 }),
    batchRecordsMax: 1,
    fetchBytesMax: 1,
    parkedKeysPerMinuteMax: 1,
    eventAheadMaxMs: 1,
    tenantHeader: undefined,
    mirror: undefined,
    nowMs: () => 0,
    logger: { debug: silent, info: silent, warn: silent, error: silent },
    observe: () => {
      throw new Error('there are no partitions')
    },
    onHealth: (state) => health.push(state),
    onFatal: (error) => {
      throw error
    },
  })
  return { runner, health }
}

test('trouble with the group is over once the version does not follow the log any more', async () => {
  const joined: JoinOptions[] = []
  const memory = new MemoryLog(accounts.sources[0]?.topic ?? '', 0).open()
  const { runner, health } = startRunner({
    ...memory,
    join: (options) => {
      joined.push(options)
      return memory.join(options)
    },
  })
  await runner.start()
  joined[0]?.onError(new Error('no heartbeat'), { isFatal: false })
  expect(health).toEqual(['no heartbeat'])
  await runner.stop()
  expect(health.at(-1)).toBe(true)
})
