import { join } from 'node:path'
import { createOutbox } from '@fairlead/outbox'
import { createProjections } from '@fairlead/read-your-writes'
import { createAvroSerde, createRegistryClient } from '@fairlead/serde'
import { createKysely } from '@fairlead/testing'
import { expect, test } from 'vitest'
import { ProjectionStack } from '../support/projection-stack.ts'
import { readAccounts } from './account-oracle.ts'
import { AccountEvents, accounts } from './accounts.ts'

const TRANSACTIONS = 30
const EVENTS_PER_KEY = 6

test('a read is fresh with all events of a transaction, in whose middle each batch ends', async () => {
  await using stack = await ProjectionStack.start({
    partitions: 4,
    events: AccountEvents,
    projections: join(import.meta.dirname, 'accounts.ts'),
  })
  const registry = createRegistryClient({ url: stack.registry.url })
  const serde = createAvroSerde({ registry })
  const outbox = await createOutbox({ serde, events: [AccountEvents] })
  const db = createKysely<unknown>(stack.pool)
  const projections = createProjections({ db })
  await stack.relayWithSlot()
  await stack.projector({ 'batch.records.max': 1 }).ready()

  for (let count = 0; count < TRANSACTIONS; count += 1) {
    const keys = [`a${count}`, `b${count}`]
    const events = keys.flatMap((accountId) =>
      Array.from({ length: EVENTS_PER_KEY }, () =>
        AccountEvents.Deposited({ accountId, amount: 1 }),
      ),
    )
    const { token } = await outbox.transaction(db, (transaction) =>
      outbox.append(transaction, ...events),
    )
    await projections.waitFor(accounts, token, { timeout: '60s' })
    const rows = (await readAccounts(stack)).filter(({ id }) => keys.includes(id))
    expect(rows).toMatchObject(keys.map((id) => ({ id, events: EVENTS_PER_KEY })))
  }
})
