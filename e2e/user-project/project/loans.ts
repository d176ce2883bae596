import { defineEvents } from '@fairlead/avro'
import { defineProjection, tables } from '@fairlead/projection'

export const LoanEvents = defineEvents({
  topic: 'outbox.event.loan',
  key: 'loanId',
  events: {
    BookLent: {
      type: 'record',
      name: 'BookLent',
      namespace: 'library',
      fields: [
        { name: 'loanId', type: 'string' },
        { name: 'title', type: 'string' },
        { name: 'lentAt', type: { type: 'long', logicalType: 'timestamp-millis' } },
      ],
    },
    BookReturned: {
      type: 'record',
      name: 'BookReturned',
      namespace: 'library',
      fields: [{ name: 'loanId', type: 'string' }],
    },
  },
})

type ReadModel = { loan: { loan_id: string; title: string; lent_at: Date | null; open: boolean } }

export const loans = defineProjection({
  name: 'loans',
  version: 1,
  from: LoanEvents,
  into: tables<ReadModel>()('loan', 'loan_id', {
    loan_id: 'text',
    title: 'text',
    lent_at: 'timestamptz null',
    open: 'boolean',
  }),
}).fold({
  initial: (loan_id) => ({ loan_id, title: '', lent_at: null, open: true }),
  on: {
    BookLent: (row, { data }) => ({ ...row, title: data.title, lent_at: data.lentAt }),
    BookReturned: (row) => ({ ...row, open: false }),
  },
})

export const projections = [loans]
