import { setTimeout as sleep } from 'node:timers/promises'
import { defineEvents } from '@fairlead/avro'
import {
  type FoldProjection,
  type Projection,
  type SqlProjection,
  defineProjection,
  tables,
} from '@fairlead/projection'

/** How the keys of events lie: which of them one batch holds. */
export const SHAPES = ['local', 'uniform', 'hot'] as const
export type Shape = (typeof SHAPES)[number]

/** A fold, handlers in SQL, and a fold that asks another service for each event. */
export type Form = 'fold' | 'sql' | 'look-ups'

/** A deposit of so much is refused by the projections. */
export const POISON_AMOUNT = -1n

const depositEvents = (set: string) =>
  defineEvents({
    topic: `outbox.event.${set}`,
    key: 'accountId',
    events: {
      Deposited: {
        type: 'record',
        name: 'Deposited',
        namespace: 'bench',
        fields: [
          { name: 'accountId', type: 'string' },
          { name: 'amount', type: 'long' },
          { name: 'branch', type: 'string' },
          { name: 'at', type: { type: 'long', logicalType: 'timestamp-millis' } },
        ],
      },
    },
  })

export type DepositEvents = ReturnType<typeof depositEvents>

type DB = {
  account: { id: string; balance: bigint; deposits: number; branch: string; last_at: Date | null }
  account_sql: { id: string; balance: bigint }
}

const t = tables<DB>()

const accountFold = (from: DepositEvents): FoldProjection =>
  defineProjection({
    name: 'account',
    version: 1,
    from,
    into: t('account', 'id', {
      id: 'uuid',
      balance: 'bigint',
      deposits: 'integer',
      branch: 'text',
      last_at: 'timestamptz null',
    }),
  }).fold({
    initial: (id) => ({ id, balance: 0n, deposits: 0, branch: '', last_at: null }),
    on: {
      Deposited: (row, { data }) => {
        if (data.amount === POISON_AMOUNT) throw new RangeError('a deposit is not negative')
        return {
          ...row,
          balance: row.balance + data.amount,
          deposits: row.deposits + 1,
          branch: data.branch,
          last_at: data.at,
        }
      },
    },
  })

/** One statement per event. */
const accountSql = (from: DepositEvents): SqlProjection =>
  defineProjection({ name: 'account_sql', version: 1, from, schema: t }).sql({
    migrate: async (db) => {
      await db.schema
        .createTable('account_sql')
        .addColumn('id', 'uuid', (column) => column.primaryKey())
        .addColumn('balance', 'bigint', (column) => column.notNull())
        .execute()
    },
    on: {
      Deposited: async ({ data }, { trx }) => {
        await trx
          .insertInto('account_sql')
          .values({ id: data.accountId, balance: data.amount })
          .onConflict((conflict) =>
            conflict.column('id').doUpdateSet((row) => ({
              balance: row('account_sql.balance', '+', data.amount),
            })),
          )
          .execute()
      },
    },
  })

/** Each set of events has a topic of its own. */
export function depositSet(set: string): {
  readonly events: DepositEvents
  readonly fold: FoldProjection
  readonly sql: SqlProjection
} {
  const events = depositEvents(set)
  return { events, fold: accountFold(events), sql: accountSql(events) }
}

/** Each event is looked up for, at a service that takes so long or less, by so many keys at a time. */
const LOOK_UP_MS_MAX = 5

const looksUp = (fold: FoldProjection, concurrency: number): FoldProjection => ({
  ...fold,
  concurrency,
  enrichEach: ({ source }) => sleep((source.offset * 7) % (LOOK_UP_MS_MAX + 1)),
})

const { fold, sql } = depositSet(process.env['BENCH_SET'] ?? 'none')

const FORMS: Readonly<Record<Form, Projection>> = {
  fold,
  sql,
  'look-ups': looksUp(fold, Number(process.env['BENCH_CONCURRENCY'] ?? 1)),
}

/** What a projector under test runs. */
export const projections: readonly Projection[] = [
  FORMS[(process.env['BENCH_FORM'] ?? 'fold') as Form],
]
