import {
  type CommutativeProjection,
  type FoldProjection,
  type Projection,
  type SqlProjection,
  defineProjection,
  remove,
  tables,
} from '@fairlead/projection'
import { sql } from 'kysely'
import { orderSummary } from '../../examples/shop/src/projections.ts'
import { AccountEvents, accounts, nextTrail, turnover } from './accounts.ts'

/**
 * Versions of projections as the variable PROJECTIONS names them, such as `accounts:1,accounts:2`: a
 * release that is deployed has some of them, and another release has others.
 */

type ReadModel = {
  account: { id: string; note: string; trail: bigint; events: number; balance: number }
  mail: { id: string; events: number }
  tally: { id: string; events: number; balance: number }
}

const t = tables<ReadModel>()

/** The same rows as `accounts`, their columns in another order. */
const reordered: FoldProjection = defineProjection({
  name: 'accounts',
  version: 1,
  from: AccountEvents,
  into: t('account', 'id', {
    id: 'text',
    note: 'text',
    trail: 'bigint',
    events: 'integer',
    balance: 'integer',
  }),
}).fold({
  initial: (id) => ({ id, note: '', trail: 0n, events: 0, balance: 0 }),
  on: {
    Deposited: (row, { data }) => ({
      ...row,
      note: data.note,
      trail: nextTrail(row.trail, data.amount),
      events: row.events + 1,
      balance: row.balance + data.amount,
    }),
  },
})

/** Has one side effect per event: a row in `public.mail_sent`. */
const mail: SqlProjection = defineProjection({
  name: 'mail',
  version: 1,
  from: AccountEvents,
  schema: t,
}).sql({
  migrate: async (db) => {
    await db.schema
      .createTable('mail')
      .addColumn('id', 'text', (column) => column.primaryKey())
      .addColumn('events', 'integer', (column) => column.notNull())
      .execute()
  },
  on: {
    Deposited: async ({ data, source }, { trx, replay }) => {
      await trx
        .insertInto('mail')
        .values({ id: data.accountId, events: 1 })
        .onConflict((conflict) =>
          conflict.column('id').doUpdateSet((row) => ({ events: row('mail.events', '+', 1) })),
        )
        .execute()
      if (replay) return
      await sql`insert into public.mail_sent (part, log_offset)
        values (${source.partition}, ${source.offset})`.execute(trx)
    },
  },
})

/** Knows each event by its id, and minds no order. */
const tally: CommutativeProjection = defineProjection({
  name: 'tally',
  version: 1,
  from: AccountEvents,
  into: t('tally', 'id', { id: 'text', events: 'integer', balance: 'integer' }),
  inbox: { retention: '7d' },
}).commutative({
  columns: { events: 'inc', balance: 'inc' },
  on: { Deposited: ({ data }) => ({ events: 1, balance: data.amount }) },
})

/** Keys have other spellings, too; and accounts are closed. */
const byUuid: FoldProjection = {
  ...accounts,
  table: { ...accounts.table, columns: { ...accounts.table.columns, id: 'uuid' } },
  on: { ...accounts.on, Closed: () => remove },
}

const CODES: Readonly<Record<string, Projection>> = {
  accounts,
  by_uuid: byUuid,
  apart: { ...accounts, tenants: 'schema' },
  reordered,
  mail,
  tally,
  turnover,
  order_summary: orderSummary,
}

/** `accounts:2=reordered`: version 2 has the code called `reordered`. */
export const projections: readonly Projection[] = (process.env['PROJECTIONS'] ?? 'accounts:1')
  .split(',')
  .map((text) => {
    const [, name = '', version = '', code = name] = /^(\w+):(\d+)(?:=(\w+))?$/.exec(text) ?? []
    const projection = CODES[code]
    if (projection === undefined) throw new TypeError(`PROJECTIONS: there is no ${text}`)
    return { ...projection, name, version: Number(version) }
  })
