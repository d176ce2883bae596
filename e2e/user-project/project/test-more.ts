import { test } from 'node:test'
import { chaos, eventWrittenWith, given } from '@fairlead/projection-testing'
import { LoanEvents } from './loans.ts'
import { FineEvents, dayTotals, shelvedLoans } from './more.ts'

const lent = (loanId: string, title: string) =>
  LoanEvents.BookLent({ loanId, title, lentAt: new Date(0) })

await test('a day adds up over two topics', async () => {
  const fine = FineEvents.FinePaid({ fineId: 'f1', day: '2026-01-01', cents: 250n })
  const events = [lent('l1', 'Emma'), fine, lent('l2', 'Emma')]
  await given(dayTotals)
    .events(...events)
    .then([{ day: '2026-01-01', loans: 2, fines: 1, cents: 250n, largest: 250n }])
  await chaos(dayTotals, events, { runs: 100 })
})

await test('a loan has the shelf of its title', async () => {
  await given(shelvedLoans, { enriched: new Map([['Emma', 'A7']]) })
    .events(lent('l1', 'Emma'), lent('l2', 'Persuasion'))
    .then([
      { loan_id: 'l1', shelf: 'A7' },
      { loan_id: 'l2', shelf: null },
    ])
})

const finePaidV1 = {
  type: 'record',
  name: 'FinePaid',
  namespace: 'library',
  fields: [
    { name: 'fineId', type: 'string' },
    { name: 'day', type: 'string' },
    { name: 'euros', type: 'int' },
  ],
} as const

await test('a fine of the first version was in euros', async () => {
  const data = { fineId: 'f1', day: '2026-01-01', euros: 3 }
  const fine = { type: 'FinePaid', version: 1, schema: finePaidV1, data } as const
  await given(dayTotals)
    .events(eventWrittenWith(FineEvents, fine))
    .then([{ day: '2026-01-01', cents: 300n }])
})
