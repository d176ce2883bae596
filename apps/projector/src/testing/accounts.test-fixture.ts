import { defineEvents } from '@fairlead/avro'
import { DecodeError, OperationalError } from '@fairlead/base'
import {
  type CommutativeProjection,
  type FoldProjection,
  type LogRecord,
  type SqlProjection,
  defineProjection,
  tables,
} from '@fairlead/projection'
import {
  type AvroDecoder,
  type AvroSerde,
  WIRE_PREFIX_BYTES,
  withWirePrefix,
} from '@fairlead/serde'
import { sql } from 'kysely'

export const AccountEvents = defineEvents({
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

export const BranchEvents = defineEvents({
  topic: 'outbox.event.branch',
  key: 'branch',
  events: {
    Visited: {
      type: 'record',
      name: 'Visited',
      fields: [
        { name: 'branch', type: 'string' },
        { name: 'day', type: 'string' },
      ],
    },
  },
})

type DB = {
  activity: { day: string; deposits: number; sum: bigint; visits: number; last: string | null }
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

/** Counts per day, over two topics, in whatever order they come. Throws for zero. */
export const activity: CommutativeProjection = defineProjection({
  name: 'activity',
  version: 1,
  from: [AccountEvents, BranchEvents],
  into: t('activity', 'day', {
    day: 'text',
    deposits: 'integer',
    sum: 'bigint',
    visits: 'integer',
    last: 'text null',
  }),
  key: ({ data }) => ('day' in data ? data.day : data.accountId),
}).commutative({
  columns: { deposits: 'inc', sum: 'inc', visits: 'inc', last: 'max' },
  on: {
    Deposited: ({ data }) => {
      if (data.amount === 0) throw new RangeError('nothing deposited')
      return { deposits: 1, sum: BigInt(data.amount), last: `amount ${data.amount}` }
    },
    Visited: () => ({ visits: 1 }),
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
    value: jsonValue({ accountId: key, amount }),
    headers: [['eventType', Buffer.from('Deposited')], ...headers],
  } satisfies SampleRecord
}

/** Claims to be a deposit, and is not. */
export function undecodable(key: string): SampleRecord {
  return { ...deposited(key, 0), value: Buffer.from(withWirePrefix(1, Buffer.from('broken'))) }
}

export function visited(branch: string, day: string) {
  return {
    key: Buffer.from(branch),
    value: jsonValue({ branch, day }),
    headers: [['eventType', Buffer.from('Visited')]],
  } satisfies SampleRecord
}

/** JSON behind the prefix of schema 1. */
function jsonValue(json: object): Buffer {
  return Buffer.from(withWirePrefix(1, Buffer.from(JSON.stringify(json))))
}

/** Stands in for Avro and the registry: values are JSON, and the registry can be away. */
export class JsonSerde implements Pick<AvroSerde, 'decoder' | 'subjectVersion' | 'isSchema'> {
  isRegistryAway = false

  async decoder(): Promise<AvroDecoder> {
    if (this.isRegistryAway) {
      throw new OperationalError('the registry is away', { code: 'NETWORK', retryable: true })
    }
    return {
      decode: (bytes, payloadOffset = WIRE_PREFIX_BYTES) =>
        parseJson(bytes.subarray(payloadOffset)),
    }
  }

  /** Ids are versions here. */
  subjectVersion(schemaId: number): Promise<number> {
    return Promise.resolve(schemaId)
  }

  isSchema(): Promise<boolean> {
    return Promise.resolve(false)
  }
}

function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(bytes).toString())
  } catch {
    throw new DecodeError('no JSON', 0)
  }
}
