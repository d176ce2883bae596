import type { CommitToken, Outbox } from '@fairlead/outbox'
import type { Kysely } from 'kysely'
import { LoanEvents } from './loans.ts'

export async function lend<DB>(db: Kysely<DB>, outbox: Outbox): Promise<CommitToken> {
  const transaction = await db.startTransaction().execute()
  const lent = LoanEvents.BookLent({ loanId: 'l2', title: 'Persuasion', lentAt: new Date() })
  await outbox.append(transaction, lent)
  const uncommitted = await outbox.token(transaction)
  await transaction.commit().execute()
  return uncommitted.committed(db)
}
