import { defineEvents } from '@fairlead/avro'
import { DecodeError, OperationalError } from '@fairlead/base'
import {
  type FoldProjection,
  type LogRecord,
  type SqlProjection,
  defineProjection,
  tables,
} from '@fairlead/projection'
import type { AvroSerde } from '@fairlead/serde'
import { sql } from 'kysely'

const AccountEvents = defineEvents({
  topic: 'outbox.event.account',
  key: 'accountId',
  events: {
    Deposited: {
      type: 'record',
      name: 'Deposited',
      fields: [
        { name: 'accountId', type: 'string' },
        { name: 'amount', type: 'int' },
      ],
    },
  },
})

type DB = {
  account: { id: string; balance: number; total: bigint; last_at: Date; note: string | null }
  day_total: { day: string; total: bigint }
}

const t = tables<DB>()

/** Throws for zero; a large balance does not fit its column. */
export const accounts: FoldProjection = defineProjection({
  name: 'accounts',
  version: 1,
  from: AccountEvents,
  into: t('account', 'id', {
    id: 'uuid',
    balance: 'integer',
    total: 'bigint',
    last_at: 'timestamptz',
    note: 'text null',
  }),
}).fold({
  initial: (id) => ({ id, balance: 0, total: 0n, last_at: new Date(0), note: null }),
  on: {
    Deposited: (row, { data, at }) => {
      if (data.amount === 0) throw new RangeError('nothing deposited')
      return {
        ...row,
        balance: row.balance + data.amount,
        total: row.total + BigInt(data.amount),
        last_at: at,
      }
    },
  },
})

/** Adds up in SQL. Throws for zero; the table refuses a negative sum. */
export const totals: SqlProjection = defineProjection({
  name: 'totals',
  version: 1,
  from: AccountEvents,
  schema: t,
}).sql({
  migrate: async (db) => {
    await db.schema
      .createTable('day_total')
      .addColumn('day', 'text', (column) => column.primaryKey())
      .addColumn('total', 'bigint', (column) => column.notNull().check(sql`total > 0`))
      .execute()
  },
  on: {
    Deposited: async ({ data, key }, { trx }) => {
      if (data.amount === 0) throw new RangeError('nothing deposited')
      await trx
        .insertInto('day_total')
        .values({ day: key, total: BigInt(data.amount) })
        .onConflict((conflict) =>
          conflict.column('day').doUpdateSet((row) => ({
            total: row('day_total.total', '+', BigInt(data.amount)),
          })),
        )
        .execute()
    },
  },
})

/** The id of account number `index`. */
export function accountId(index: number): string {
  return `00000000-0000-4000-8000-${String(index).padStart(12, '0')}`
}

type SampleRecord = Pick<LogRecord, 'key' | 'value' | 'headers'>

/** A deposit, with JSON for Avro: `jsonSerde` reads it. */
export function deposited(key: string, amount: number, headers: SampleRecord['headers'] = []) {
  return {
    key: Buffer.from(key),
    value: Buffer.from(JSON.stringify({ accountId: key, amount })),
    headers: [['eventType', Buffer.from('Deposited')], ...headers],
  } satisfies SampleRecord
}

/** Stands in for Avro and the registry: values are JSON, and the registry can be away. */
export class JsonSerde implements Pick<AvroSerde, 'decode'> {
  isRegistryAway = false

  async decode(bytes: Uint8Array): Promise<{ schemaId: number; value: unknown }> {
    if (this.isRegistryAway) {
      throw new OperationalError('the registry is away', { code: 'NETWORK', retryable: true })
    }
    try {
      return { schemaId: 1, value: JSON.parse(Buffer.from(bytes).toString()) }
    } catch {
      throw new DecodeError('no JSON', 0)
    }
  }
}
