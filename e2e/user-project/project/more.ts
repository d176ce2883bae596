import { defineEvents } from '@fairlead/avro'
import { defineProjection, tables } from '@fairlead/projection'
import { LoanEvents } from './loans.ts'

export const FineEvents = defineEvents({
  topic: 'outbox.event.fine',
  key: 'fineId',
  events: {
    FinePaid: {
      type: 'record',
      name: 'FinePaid',
      namespace: 'library',
      fields: [
        { name: 'fineId', type: 'string' },
        { name: 'day', type: 'string' },
        { name: 'cents', type: 'long' },
      ],
    },
  },
  upcast: {
    FinePaid: {
      1: (old: { fineId: string; day: string; euros: number }) => ({
        fineId: old.fineId,
        day: old.day,
        cents: BigInt(old.euros) * 100n,
      }),
    },
  },
})

type ReadModel = {
  day_total: { day: string; loans: number; fines: number; cents: bigint; largest: bigint | null }
  title_count: { title: string; loans: number }
  shelved_loan: { loan_id: string; shelf: string | null }
  shelf: { title: string; shelf: string }
}

const t = tables<ReadModel>()

export const dayTotals = defineProjection({
  name: 'day_totals',
  version: 1,
  from: [LoanEvents, FineEvents],
  into: t('day_total', 'day', {
    day: 'text',
    loans: 'integer',
    fines: 'integer',
    cents: 'bigint',
    largest: 'bigint null',
  }),
  key: (event) =>
    event.type === 'FinePaid' ? event.data.day : event.at.toISOString().slice(0, 10),
}).commutative({
  columns: { loans: 'inc', fines: 'inc', cents: 'inc', largest: 'max' },
  on: {
    BookLent: () => ({ loans: 1 }),
    FinePaid: ({ data }) => ({ fines: 1, cents: data.cents, largest: data.cents }),
  },
})

export const titleCounts = defineProjection({
  name: 'title_counts',
  version: 1,
  from: LoanEvents,
  schema: t,
}).sql({
  migrate: async (db) => {
    await db.schema
      .createTable('title_count')
      .addColumn('title', 'text', (column) => column.primaryKey())
      .addColumn('loans', 'integer', (column) => column.notNull())
      .execute()
  },
  on: {
    BookLent: async ({ data }, { trx }) => {
      await trx
        .insertInto('title_count')
        .values({ title: data.title, loans: 1 })
        .onConflict((conflict) =>
          conflict.column('title').doUpdateSet((row) => ({
            loans: row('title_count.loans', '+', 1),
          })),
        )
        .execute()
    },
  },
})

export const shelvedLoans = defineProjection({
  name: 'shelved_loans',
  version: 1,
  from: LoanEvents,
  into: t(
    'shelved_loan',
    'loan_id',
    { loan_id: 'text', shelf: 'text null' },
    { indexes: [{ columns: ['shelf'], where: 'shelf is not null' }], fillfactor: 90 },
  ),
  enrich: async (events, { db }) => {
    const titles = events.flatMap((event) => (event.type === 'BookLent' ? [event.data.title] : []))
    const rows = await db.selectFrom('shelf').selectAll().where('title', 'in', titles).execute()
    return new Map(rows.map(({ title, shelf }) => [title, shelf]))
  },
}).fold({
  initial: (loan_id) => ({ loan_id, shelf: null }),
  on: {
    BookLent: (row, { data }, shelves) => ({ ...row, shelf: shelves.get(data.title) ?? null }),
  },
})
