import {
  type CommutativeProjection,
  type FoldProjection,
  type Projection,
  type SqlProjection,
  defineProjection,
  tables,
  unitOf,
} from '@fairlead/projection'
import { AccountEvents, TRAIL_MODULUS, accounts, nextTrail } from './accounts.ts'

/**
 * Every form that a projection has, of the same deposits of several tenants, all of which park the same
 * events: those of nothing, and what is behind them under their key.
 */

type ReadModel = {
  trail_by_fold: { id: string; events: number; trail: bigint }
  trail_by_sql: { id: string; events: number; trail: bigint }
  branch: { id: string; deposits: number; sum: bigint; largest: number | null }
}

const t = tables<ReadModel>()

function refuseNothing({ accountId, amount }: { accountId: string; amount: number }): void {
  if (amount === 0) throw new RangeError(`account ${accountId}: nothing deposited`)
}

const trailByFold: FoldProjection = defineProjection({
  name: 'trail_by_fold',
  version: 1,
  from: AccountEvents,
  into: t('trail_by_fold', 'id', { id: 'text', events: 'integer', trail: 'bigint' }),
  key: ({ tenant, key }) => unitOf(tenant ?? '', key),
  // All events of a row have one key.
  order: 'none',
  tenants: 'row',
}).fold({
  initial: (id) => ({ id, events: 0, trail: 0n }),
  on: {
    Deposited: (row, { data }) => {
      refuseNothing(data)
      return { ...row, events: row.events + 1, trail: nextTrail(row.trail, data.amount) }
    },
  },
})

const trailBySql: SqlProjection = defineProjection({
  name: 'trail_by_sql',
  version: 1,
  from: AccountEvents,
  schema: t,
}).sql({
  migrate: async (db) => {
    await db.schema
      .createTable('trail_by_sql')
      .addColumn('id', 'text', (column) => column.primaryKey())
      .addColumn('events', 'integer', (column) => column.notNull())
      .addColumn('trail', 'bigint', (column) => column.notNull())
      .execute()
  },
  on: {
    Deposited: async ({ data, tenant, key }, { trx }) => {
      refuseNothing(data)
      const amount = BigInt(data.amount)
      await trx
        .insertInto('trail_by_sql')
        .values({ id: unitOf(tenant ?? '', key), events: 1, trail: nextTrail(0n, data.amount) })
        .onConflict((conflict) =>
          conflict.column('id').doUpdateSet((row) => ({
            events: row('trail_by_sql.events', '+', 1),
            trail: row.fn<bigint>('mod', [
              row(row('trail_by_sql.trail', '*', 31n), '+', amount),
              row.val(TRAIL_MODULUS),
            ]),
          })),
        )
        .execute()
    },
  },
})

/** The rows take deposits of all accounts and tenants, so of all partitions. */
const branches: CommutativeProjection = defineProjection({
  name: 'branches',
  version: 1,
  from: AccountEvents,
  into: t('branch', 'id', {
    id: 'text',
    deposits: 'integer',
    sum: 'bigint',
    largest: 'integer null',
  }),
  key: ({ data }) => ('note' in data ? data.note : ''),
}).commutative({
  columns: { deposits: 'inc', sum: 'inc', largest: 'max' },
  on: {
    Deposited: ({ data }) => {
      refuseNothing(data)
      return { deposits: 1, sum: BigInt(data.amount), largest: data.amount }
    },
  },
})

export const projections: readonly Projection[] = [
  trailByFold,
  trailBySql,
  branches,
  { ...accounts, tenants: 'schema' },
]
