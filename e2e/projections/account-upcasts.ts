import { defineEvents } from '@fairlead/avro'
import { type FoldProjection, defineProjection, tables } from '@fairlead/projection'
import { nextTrail } from './accounts.ts'

/** Of version 1 of the subject: its amounts were whole euros. */
export const OLD_DEPOSITED = {
  type: 'record',
  name: 'Deposited',
  namespace: 'bank',
  fields: [
    { name: 'accountId', type: 'string' },
    { name: 'euros', type: 'int' },
  ],
} as const

export const CentEvents = defineEvents({
  topic: 'outbox.event.account',
  key: 'accountId',
  events: {
    Deposited: {
      type: 'record',
      name: 'Deposited',
      namespace: 'bank',
      fields: [
        { name: 'accountId', type: 'string' },
        // What Avro's rules would make of an old value, did nobody upcast it.
        { name: 'cents', type: 'int', default: 0 },
      ],
    },
  },
  upcast: {
    Deposited: {
      1: (old: { accountId: string; euros: number }) => ({
        accountId: old.accountId,
        cents: old.euros * 100,
      }),
    },
  },
})

type ReadModel = { account: { id: string; events: number; balance: number; trail: bigint } }

const cents: FoldProjection = defineProjection({
  name: 'accounts',
  version: 1,
  from: CentEvents,
  into: tables<ReadModel>()('account', 'id', {
    id: 'text',
    events: 'integer',
    balance: 'integer',
    trail: 'bigint',
  }),
}).fold({
  initial: (id) => ({ id, events: 0, balance: 0, trail: 0n }),
  on: {
    Deposited: (row, { data }) => ({
      ...row,
      events: row.events + 1,
      balance: row.balance + data.cents,
      trail: nextTrail(row.trail, data.cents),
    }),
  },
})

export const projections: readonly FoldProjection[] = [cents, { ...cents, version: 2 }].slice(
  0,
  Number(process.env['VERSIONS'] ?? 1),
)
