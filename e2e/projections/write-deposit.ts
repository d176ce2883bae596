import type { ProjectionStack } from '../support/projection-stack.ts'
import { AccountEvents } from './accounts.ts'

/** Writes one deposit into the outbox of the database, as a service does. */
export async function writeDeposit(
  stack: ProjectionStack,
  deposit: { readonly accountId: string; readonly amount: number },
  session: Pick<ProjectionStack['pool'], 'query'> = stack.pool,
): Promise<void> {
  const [record] = await stack.encode(AccountEvents.Deposited(deposit))
  await session.query(
    `insert into outbox.events (aggregatetype, aggregateid, type, payload)
     values ('account', $1, 'Deposited', $2)`,
    [deposit.accountId, record?.value],
  )
}
