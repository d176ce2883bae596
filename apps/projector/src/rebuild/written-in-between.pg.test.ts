import {
  type CommutativeProjection,
  type FoldProjection,
  type LogRecord,
  type Projection,
  type SqlProjection,
  remove,
} from '@fairlead/projection'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { EventLog, Fetched } from '../log/event-log.ts'
import { readCheckpoints } from '../store/checkpoints.ts'
import { readVersion } from '../store/versions.ts'
import {
  BranchEvents,
  accountId,
  accounts,
  activity,
  deposited,
  totals,
} from '../testing/accounts.test-fixture.ts'
import type { MemoryLog } from '../testing/memory-log.test-fixture.ts'
import { RebuildFixture } from '../testing/rebuild.test-fixture.ts'

/** So many events of a fold are folded before the memory is looked at. */
const FOLD_RECORDS = 1_000
const CLOSED = -1
const STOPS = 13

let fixture: RebuildFixture
let log: MemoryLog

beforeEach(async () => {
  fixture = await RebuildFixture.open([BranchEvents.topic])
  ;({ log } = fixture)
})

afterEach(() => fixture.close())

/** A part of the log, filled up with deposits to account 9. */
function appendPart(
  recordCount: number,
  ...deposits: readonly (readonly [account: number, amount: number])[]
): void {
  const rest = Array.from({ length: recordCount - deposits.length }, () => [9, 1] as const)
  const tenant = ['tenant', Buffer.from('acme')] as const
  const all = [...deposits, ...rest]
  log.append(0, ...all.map(([account, amount]) => deposited(accountId(account), amount, [tenant])))
}

/** Headers of an event that was committed then. */
function committed(at: number): LogRecord['headers'] {
  const headers = { 'cdc.lsn': `0/${at.toString(16)}`, 'cdc.seq': '0', 'cdc.ts': String(at) }
  return Object.entries(headers).map(([name, text]) => [name, Buffer.from(text)])
}

function amountOf({ data }: { readonly data: unknown }): number {
  return (data as { readonly amount: number }).amount
}

test('a row that is deleted behind a write of it is gone, and one that comes again is new', async () => {
  const closing = (version: number): FoldProjection => ({
    ...accounts,
    version,
    on: {
      Deposited: (row, event, enriched) =>
        amountOf(event) === CLOSED
          ? remove
          : (accounts.on['Deposited']?.(row, event, enriched) ?? row),
    },
  })
  appendPart(FOLD_RECORDS, [0, 1], [1, 2], [2, 3])
  appendPart(FOLD_RECORDS, [0, CLOSED], [1, CLOSED])
  appendPart(FOLD_RECORDS, [1, 4], [2, CLOSED], [2, 5], [2, CLOSED])
  appendPart(FOLD_RECORDS, [2, CLOSED])
  fixture.start([closing(1), closing(2)], { rebuildMemoryBytesMax: 1 })
  await fixture.hasState('accounts', 2, 'ready')
  expect(await fixture.balancesIn('rm_accounts_v2')).toEqual([
    [accountId(1), 4],
    [accountId(9), 4 * FOLD_RECORDS - 10],
  ])
})

test('gaps of the log, and events that come twice, are passed by whoever goes on, wherever writes end in them', async () => {
  const recordCount = 6 * FOLD_RECORDS
  const isKept = (offset: number): boolean =>
    offset > 3 && offset % 500 > 2 && offset % 7 !== 0 && offset < recordCount - 5
  const inner = log.open()
  const compacted = (
    fetched: Fetched,
    { fromOffset }: { readonly fromOffset: number },
  ): Fetched => {
    const part = fetched.records.slice(0, 501)
    const records = part.filter(({ offset }) => isKept(offset))
    return { ...fetched, records, nextOffset: fromOffset + part.length }
  }
  const gappy: EventLog = {
    ...inner,
    read: async (request) => compacted(await inner.read(request), request),
    join: async (options) => {
      const membership = await inner.join(options)
      return {
        ...membership,
        fetch: async (request) => compacted(await membership.fetch(request), request),
      }
    },
  }
  let sum = 0
  for (let commit = 0; commit < recordCount / 2; commit += 1) {
    const twice = deposited(accountId(0), 1 + (commit % 3), committed(commit))
    log.append(0, twice, twice)
    if (isKept(2 * commit) || isKept(2 * commit + 1)) sum += 1 + (commit % 3)
  }
  const stopped = Promise.withResolvers<void>()
  let handledCount = 0
  const second: FoldProjection = {
    ...accounts,
    version: 2,
    on: {
      Deposited: (row, event, enriched) => {
        handledCount += 1
        if (handledCount > FOLD_RECORDS) stopped.resolve()
        return accounts.on['Deposited']?.(row, event, enriched) ?? row
      },
    },
  }
  const options = { rebuildMemoryBytesMax: 1, log: gappy }
  fixture.start([accounts, second], options)
  await stopped.promise
  await fixture.stopAll()
  fixture.start([accounts, second], options)
  await fixture.hasState('accounts', 2, 'ready')
  expect(await fixture.balancesIn('rm_accounts_v2')).toEqual([[accountId(0), sum]])
  await fixture.hasBalances('public', [[accountId(0), sum]])
})

describe('behind a write, whoever goes on with a rebuild sets aside what follows a letter of', () => {
  type Form = {
    readonly what: string
    readonly first: Projection
    /** As the first version, but that `stop` is called for each event. */
    readonly secondOf: (stop: (event: { readonly data: unknown }) => void) => Projection
    /** Of one write. */
    readonly recordCount: number
    readonly tenantHeader?: string
  }
  const foldOf =
    (first: FoldProjection): Form['secondOf'] =>
    (stop) => ({
      ...first,
      version: 2,
      on: {
        Deposited: (row, event, enriched) => {
          stop(event)
          return first.on['Deposited']?.(row, event, enriched) ?? row
        },
      },
    })
  const apart: FoldProjection = { ...accounts, tenants: 'schema' }

  test.for<Form>([
    {
      what: 'a fold',
      first: accounts,
      secondOf: foldOf(accounts),
      recordCount: FOLD_RECORDS,
    },
    {
      what: 'a fold with tables for each tenant',
      first: apart,
      secondOf: foldOf(apart),
      recordCount: FOLD_RECORDS,
      tenantHeader: 'tenant',
    },
    {
      what: 'changes that commute',
      first: activity,
      secondOf: (stop): CommutativeProjection => ({
        ...activity,
        version: 2,
        on: {
          ...activity.on,
          Deposited: (event, enriched) => {
            stop(event)
            return activity.on['Deposited']?.(event, enriched) ?? {}
          },
        },
      }),
      recordCount: 10,
    },
    {
      what: 'SQL',
      first: totals,
      secondOf: (stop): SqlProjection => ({
        ...totals,
        version: 2,
        on: {
          Deposited: async (event, context) => {
            stop(event)
            await totals.on['Deposited']?.(event, context)
          },
        },
      }),
      recordCount: 10,
    },
  ])('$what', async ({ first, secondOf, recordCount, tenantHeader }) => {
    const { name } = first
    appendPart(recordCount, [0, 0], [1, 2])
    appendPart(recordCount, [1, STOPS], [0, 1])
    appendPart(recordCount, [0, 5], [1, 1])
    const stopped = Promise.withResolvers<void>()
    const both = [
      first,
      secondOf((event) => {
        if (amountOf(event) === STOPS) stopped.resolve()
      }),
    ]
    const options = { rebuildMemoryBytesMax: 1, batchRecordsMax: recordCount, tenantHeader }
    fixture.start(both, options)
    await stopped.promise
    await fixture.stopAll()
    const { state, projectionId } = await readVersion(fixture.db, { name, version: 2 })
    expect(state).toBe('building')
    const checkpoints = await readCheckpoints(fixture.db, { projectionId, version: 2 })
    expect(checkpoints).not.toEqual([])

    fixture.start(both, options)
    await fixture.hasState(name, 2, 'ready')
    expect(await fixture.letters(2)).toMatchObject([
      { part: 0, offset: 0, kind: 'failed' },
      { part: 0, offset: recordCount + 1, kind: 'blocked' },
      { part: 0, offset: 2 * recordCount, kind: 'blocked' },
    ])
  })
})
