import { createOutbox } from '@fairlead/outbox'
import { createProjections } from '@fairlead/read-your-writes'
import { createAvroSerde, createRegistryClient } from '@fairlead/serde'
import { Kysely, PostgresDialect } from 'kysely'
import { Pool } from 'pg'
import { LoanEvents, loans } from './loans.ts'

const pool = new Pool({ connectionString: process.env['POSTGRES'] })
const db = new Kysely<{ loan: { loan_id: string; title: string } }>({
  dialect: new PostgresDialect({ pool }),
})
const registry = createRegistryClient({ url: process.env['REGISTRY'] ?? '' })
const outbox = await createOutbox({ serde: createAvroSerde({ registry }), events: [LoanEvents] })

const lent = LoanEvents.BookLent({ loanId: 'l1', title: 'Emma', lentAt: new Date() })
const { token } = await outbox.transaction(db, (transaction) => outbox.append(transaction, lent))
const projections = createProjections({ db })
const { fresh } = await projections.waitFor(loans, token, { key: 'l1', timeout: '20s' })
const loan = await db.selectFrom('loan').selectAll().execute()
process.stdout.write(JSON.stringify({ fresh, loan }))
await db.destroy()
