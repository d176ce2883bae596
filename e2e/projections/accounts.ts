import { defineEvents } from '@fairlead/avro'
import {
  type FoldProjection,
  type SqlProjection,
  defineProjection,
  tables,
} from '@fairlead/projection'

export const AccountEvents = defineEvents({
  topic: 'outbox.event.account',
  key: 'accountId',
  events: {
    Deposited: {
      type: 'record',
      name: 'Deposited',
      namespace: 'bank',
      fields: [
        { name: 'accountId', type: 'string' },
        { name: 'amount', type: 'int' },
        { name: 'note', type: 'string', default: '' },
      ],
    },
    Closed: {
      type: 'record',
      name: 'Closed',
      namespace: 'bank',
      fields: [{ name: 'accountId', type: 'string' }],
    },
  },
})

type ReadModel = {
  account: { id: string; events: number; balance: number; trail: bigint; note: string }
  account_of_tenant: { id: string; balance: number }
  turnover: { id: string; events: number; trail: bigint }
}

const t = tables<ReadModel>()

export const TRAIL_MODULUS = 1_000_000_007n

/** Differs for every other order of the same amounts, and for each of them that is missing or twice. */
export function nextTrail(trail: bigint, amount: number): bigint {
  return (trail * 31n + BigInt(amount)) % TRAIL_MODULUS
}

/** Poison: an amount of 0 throws; a balance beyond `integer` is refused by the table. */
export const accounts: FoldProjection = defineProjection({
  name: 'accounts',
  version: 1,
  from: AccountEvents,
  into: t('account', 'id', {
    id: 'text',
    events: 'integer',
    balance: 'integer',
    trail: 'bigint',
    note: 'text',
  }),
}).fold({
  initial: (id) => ({ id, events: 0, balance: 0, trail: 0n, note: '' }),
  on: {
    Deposited: (row, { data }) => {
      if (data.amount === 0) throw new RangeError(`account ${data.accountId}: nothing deposited`)
      return {
        ...row,
        events: row.events + 1,
        balance: row.balance + data.amount,
        trail: nextTrail(row.trail, data.amount),
        note: data.note,
      }
    },
  },
})

/** The same in SQL, in a table that knows no second application of an event from the first. */
export const turnover: SqlProjection = defineProjection({
  name: 'turnover',
  version: 1,
  from: AccountEvents,
  schema: t,
}).sql({
  migrate: async (db) => {
    await db.schema
      .createTable('turnover')
      .addColumn('id', 'text', (column) => column.primaryKey())
      .addColumn('events', 'integer', (column) => column.notNull())
      .addColumn('trail', 'bigint', (column) => column.notNull())
      .execute()
  },
  on: {
    Deposited: async ({ data }, { trx }) => {
      if (data.amount === 0) throw new RangeError(`account ${data.accountId}: nothing deposited`)
      const amount = BigInt(data.amount)
      await trx
        .insertInto('turnover')
        .values({ id: data.accountId, events: 1, trail: nextTrail(0n, data.amount) })
        .onConflict((conflict) =>
          conflict.column('id').doUpdateSet((row) => ({
            events: row('turnover.events', '+', 1),
            trail: row.fn<bigint>('mod', [
              row(row('turnover.trail', '*', 31n), '+', amount),
              row.val(TRAIL_MODULUS),
            ]),
          })),
        )
        .execute()
    },
  },
})

/** Accounts of tenants that know nothing of each other. */
export const accountsOfTenants: FoldProjection = defineProjection({
  name: 'accounts_of_tenants',
  version: 1,
  from: AccountEvents,
  into: t('account_of_tenant', 'id', { id: 'text', balance: 'integer' }),
  key: ({ headers, key }) => `${headers['tenant']}/${key}`,
  // All events of a row have one key.
  order: 'none',
}).fold({
  initial: (id) => ({ id, balance: 0 }),
  on: {
    Deposited: (row, { data }) => {
      if (data.amount === 0) throw new RangeError(`account ${data.accountId}: nothing deposited`)
      return { ...row, balance: row.balance + data.amount }
    },
  },
})

/** What a projector of these tests runs, unless a test says otherwise. */
export const projections = [accounts]
