import { createDeadLetters } from '@fairlead/dead-letters'
import { createProjectionAdmin } from '@fairlead/projection-admin'
import { LoanEvents, loans } from './loans.ts'

const url = process.env['PROJECTOR'] ?? ''
const { live, lagRecords } = await createProjectionAdmin({ url }).status(loans.name)
const letters = createDeadLetters({ url, projection: loans.name, events: LoanEvents })
const titles: string[] = []
for await (const { event } of letters.letters()) {
  if (event?.type === 'BookLent') titles.push(event.data.title)
}
process.stdout.write(JSON.stringify({ live, lagRecords, titles }))
