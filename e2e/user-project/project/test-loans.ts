import { test } from 'node:test'
import { given } from '@fairlead/projection-testing'
import { LoanEvents, loans } from './loans.ts'

await test('a book that was returned is not on loan', async () => {
  const lent = LoanEvents.BookLent({ loanId: 'l1', title: 'Emma', lentAt: new Date() })
  await given(loans)
    .events(lent, LoanEvents.BookReturned({ loanId: 'l1' }))
    .then([{ loan_id: 'l1', title: 'Emma', open: false }])
})
