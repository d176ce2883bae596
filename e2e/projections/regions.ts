import { defineEvents } from '@fairlead/avro'
import { type CommutativeProjection, defineProjection, tables } from '@fairlead/projection'
import { AccountEvents } from './accounts.ts'

export const BranchEvents = defineEvents({
  topic: 'outbox.event.branch',
  key: 'branchId',
  events: {
    Visited: {
      type: 'record',
      name: 'Visited',
      namespace: 'bank',
      fields: [
        { name: 'branchId', type: 'string' },
        { name: 'region', type: 'string' },
      ],
    },
  },
})

type ReadModel = {
  region: { id: string; deposits: number; sum: bigint; largest: number | null; visits: number }
}

/** What two topics say of a region, whose keys are accounts in one and branches in the other. */
const regions: CommutativeProjection = defineProjection({
  name: 'regions',
  version: 1,
  from: [AccountEvents, BranchEvents],
  into: tables<ReadModel>()('region', 'id', {
    id: 'text',
    deposits: 'integer',
    sum: 'bigint',
    largest: 'integer null',
    visits: 'integer',
  }),
  key: ({ data }) => ('region' in data ? data.region : 'note' in data ? data.note : 'none'),
}).commutative({
  columns: { deposits: 'inc', sum: 'inc', largest: 'max', visits: 'inc' },
  on: {
    Deposited: ({ data }) => ({ deposits: 1, sum: BigInt(data.amount), largest: data.amount }),
    Visited: () => ({ visits: 1 }),
  },
})

export const projections = [regions, { ...regions, version: 2 }].slice(
  0,
  Number(process.env['VERSIONS'] ?? 1),
)
