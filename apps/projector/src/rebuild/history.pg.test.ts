import { partitionOfKey } from '@fairlead/kafka'
import type { FoldProjection, LogRecord, Projection } from '@fairlead/projection'
import { sql } from 'kysely'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { RecordReader } from '../log/prepare-records.ts'
import { MovedKeys } from '../moved-keys.ts'
import { registerMoment } from '../store/register.ts'
import type { RegisteredProjection } from '../store/registered-projection.ts'
import { readVersion } from '../store/versions.ts'
import {
  BranchEvents,
  JsonSerde,
  accountId,
  accounts,
  activity,
  deposited,
  totals,
} from '../testing/accounts.test-fixture.ts'
import { type MemoryLog, TOPIC_ID } from '../testing/memory-log.test-fixture.ts'
import { PARTITIONS, RebuildFixture, balances, until } from '../testing/rebuild.test-fixture.ts'

const OTHER_TOPIC_ID = '00000000-0000-4000-8000-00000000000b'
const HUGE = 2_147_483_647

let fixture: RebuildFixture
let log: MemoryLog

beforeEach(async () => {
  fixture = await RebuildFixture.open([BranchEvents.topic])
  ;({ log } = fixture)
})

afterEach(() => fixture.close())

/** Version 2 of the accounts, which does something else with every deposit, too. */
function later(onDeposit: (amount: number) => void = () => undefined): FoldProjection {
  return {
    ...accounts,
    version: 2,
    on: {
      Deposited: (row, event, enriched) => {
        onDeposit((event.data as { readonly amount: number }).amount)
        return accounts.on['Deposited']?.(row, event, enriched) ?? row
      },
    },
  }
}

async function reasonOf(version: number): Promise<string | null> {
  return (await readVersion(fixture.db, { name: 'accounts', version })).reason
}

/** Headers of an event that was committed at `at`, by LSN and time. */
function committed(at: number): LogRecord['headers'] {
  const headers = { 'cdc.lsn': `0/${at}`, 'cdc.seq': '0', 'cdc.ts': String(at) }
  return Object.entries(headers).map(([name, text]) => [name, Buffer.from(text)])
}

async function startLive(): Promise<RegisteredProjection> {
  const { projector } = fixture.start([accounts])
  await fixture.hasState('accounts', 1, 'live')
  const [registered] = projector.registered
  if (registered === undefined) throw new Error('nothing is registered')
  return registered
}

describe('a log that is not the whole one', () => {
  test('is refused by a rebuild that begins once more', async () => {
    log.append(0, deposited(accountId(0), HUGE), deposited(accountId(0), 1))
    log.append(1, deposited(accountId(1), 1), deposited(accountId(1), 1))
    await startLive()
    await fixture.hasBalances('public', balances(HUGE, 2))
    await fixture.stopAll()
    // The database refuses the row, and by then the events that led to it are gone.
    const losing = later((amount) => {
      if (amount === HUGE) log.removeBefore(1)
    })
    fixture.start([accounts, losing])
    await fixture.hasState('accounts', 2, 'failed')
    expect(await reasonOf(2)).toMatch(/begins at offset 1: .* retention/)
  })

  test('is refused when one of its partitions has lost all that it had', async () => {
    log.append(0, deposited(accountId(0), 1))
    await startLive()
    await fixture.hasBalances('public', balances(1))
    await fixture.stopAll()
    const ofSecond = (partition: number): number => (partition === 1 ? 7 : 0)
    const shortened = {
      ...log.open(),
      earliestOffset: async (_topic: string, partition: number) => ofSecond(partition),
      endOffset: async (_topic: string, partition: number) => ofSecond(partition) || 1,
    }
    fixture.start([later()], { log: shortened })
    await fixture.hasState('accounts', 2, 'failed')
    expect(await reasonOf(2)).toMatch(/account-1 begins at offset 7: .* retention/)
  })

  test('is waited for while the topic is away', async () => {
    log.append(0, deposited(accountId(0), 1))
    await startLive()
    await fixture.hasBalances('public', balances(1))
    await fixture.stopAll()
    const waits: unknown[] = []
    let isAway = true
    const away = {
      ...log.open(),
      partitionCount: async () => (isAway ? 0 : PARTITIONS),
      topicId: async () => (isAway ? undefined : TOPIC_ID),
    }
    const silent = (): void => undefined
    const warn = (fields: object): void => void waits.push(fields)
    const logger = { debug: silent, info: silent, warn, error: silent }
    fixture.start([later()], { log: away, logger })
    await until(() => expect(String(waits.map(reasonIn))).toMatch(/there is no topic/))
    expect((await readVersion(fixture.db, { name: 'accounts', version: 2 })).state).toBe('building')
    isAway = false
    await fixture.hasState('accounts', 2, 'ready')
    expect(await fixture.balancesIn('rm_accounts_v2')).toEqual(balances(1))
  })

  test('is refused when it was created anew meanwhile', async () => {
    log.append(0, deposited(accountId(0), 1))
    await startLive()
    await fixture.hasBalances('public', balances(1))
    await fixture.stopAll()
    let topicId = TOPIC_ID
    const recreated = later(() => {
      topicId = OTHER_TOPIC_ID
    })
    const options = { log: { ...log.open(), topicId: async () => topicId } }
    fixture.start([recreated], options)
    await fixture.hasState('accounts', 2, 'failed')
    expect(await reasonOf(2)).toMatch(/account was deleted and created anew/)
  })

  test('is refused when it has lost its end', async () => {
    log.append(0, deposited(accountId(0), 1))
    await startLive()
    await fixture.hasBalances('public', balances(1))
    await fixture.stopAll()
    fixture.start([later()], { log: { ...log.open(), endOffset: async () => 3 } })
    await fixture.hasState('accounts', 2, 'failed')
    expect(await reasonOf(2)).toMatch(/account-\d ends at offset \d, and ended at 3/)
  })

  test('is not what single rows are folded from', async () => {
    log.append(0, deposited(accountId(0), 1))
    await startLive()
    await fixture.hasBalances('public', balances(1))
    await fixture.stopAll()
    const options = { log: { ...log.open(), topicId: async () => OTHER_TOPIC_ID } }
    fixture.start([accounts], options)
    const request = { keys: [accountId(0)] }
    expect(await fixture.runJob('accounts', { version: 1, kind: 'keys', request })).toMatchObject({
      state: 'failed',
      reason: expect.stringMatching(/account was deleted and created anew/),
    })
    expect(await fixture.balancesIn('public')).toEqual(balances(1))
  })
})

test.for<{ what: string; projection: Projection }>([
  { what: 'a fold', projection: accounts },
  { what: 'changes that commute', projection: activity },
  { what: 'SQL', projection: totals },
])(
  'an event of a type that is not defined ends a rebuild of $what, and is not skipped',
  async ({ projection }) => {
    log.append(0, deposited(accountId(0), 1))
    const moved = {
      ...deposited(accountId(1), 1),
      headers: [['eventType', Buffer.from('Moved')]] as const,
    }
    log.append(1, deposited(accountId(1), 1), moved, deposited(accountId(1), 2))
    fixture.start([projection, { ...projection, version: 2 }])
    await fixture.hasState(projection.name, 2, 'failed')
    const { reason } = await readVersion(fixture.db, { name: projection.name, version: 2 })
    expect(reason).toMatch(/account has an event of type Moved, which .* do not define/)
  },
)

test('the checkpoints of a rebuild say of which topic they are places', async () => {
  log.append(0, deposited(accountId(0), 1))
  const registered = await startLive()
  const moment = await registerMoment(fixture.db, registered, { untilMs: Date.now() + 1_000 })
  await fixture.hasState('accounts', moment.version, 'ready')
  const { rows } = await sql`
    select topic_id as id from evt.checkpoint where version = ${moment.version}`.execute(fixture.db)
  expect(rows).toEqual([{ id: TOPIC_ID }, { id: TOPIC_ID }])
})

test('a moment of the source does not end with the first events behind it', async () => {
  const [before, behind] = [100, 200]
  log.append(0, deposited(accountId(0), 1, committed(before)))
  for (let more = 0; more < 2_500; more += 1) {
    log.append(0, deposited(accountId(0), 1, committed(behind + more)))
  }
  log.append(0, deposited(accountId(1), 1))
  const registered = await startLive()
  const moment = await registerMoment(fixture.db, registered, { untilLsn: `0/${before}` })
  await fixture.hasState('accounts', moment.version, 'ready')
  expect(await fixture.balancesIn(moment.schemaName)).toEqual(balances(1, 1))
  const { version } = moment
  expect(await fixture.runJob('accounts', { version, kind: 'verify', request: {} })).toMatchObject({
    result: { isEqual: true, comparedKeys: 2 },
  })
  const request = { keys: [accountId(0)] }
  await fixture.runJob('accounts', { version, kind: 'keys', request })
  expect(await fixture.balancesIn(moment.schemaName)).toEqual(balances(1, 1))
})

test('a version that was filled after its topic grew keeps keys in order that have moved since', async () => {
  const grown = 5
  const id = [0, 1, 2, 3, 4, 5, 6, 7].map(accountId).find((key) => {
    const bytes = Buffer.from(key)
    return partitionOfKey(bytes, grown) >= PARTITIONS
  })
  if (id === undefined) throw new Error('no key moves')
  const [from, to] = [PARTITIONS, grown].map((count) => partitionOfKey(Buffer.from(id), count))
  if (from === undefined || to === undefined) throw new Error('no partitions')
  fixture.appendDeposits(2, 2)
  await startLive()
  await fixture.hasBalances('public', balances(1, 1))
  log.grow(grown)
  const { projector } = fixture.start([accounts, later()])
  await fixture.hasState('accounts', 2, 'ready')
  const registered = projector.registered.find(({ projection }) => projection.version === 2)
  if (registered === undefined) throw new Error('version 2 is not registered')
  await fixture.stopAll()

  // A producer that had not heard of the new partitions, and then had.
  log.append(from, deposited(id, 1))
  log.append(to, deposited(id, 2))
  const reader = new RecordReader(registered.projection, new JsonSerde(), {
    nowMs: Date.now,
    aheadMaxMs: 1_000,
  })
  const movedKeys = await MovedKeys.of({
    db: fixture.db,
    log: log.open(),
    reader,
    partition: { ...registered, topic: log.topic, partition: to },
    nowMs: () => performance.now(),
    wallMs: Date.now,
  })
  const records = await reader.prepare(log.recordsOf(to))
  const permitted = await movedKeys.permitted(records, new AbortController().signal)
  expect(permitted.count).toBe(0)
})

function reasonIn(fields: unknown): string {
  const { err } = fields as { readonly err?: unknown }
  return String(err)
}
