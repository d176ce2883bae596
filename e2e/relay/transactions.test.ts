import { expect, test } from 'vitest'
import { RelayStack } from '../support/relay-stack.ts'
import { isApacheKafkaTested } from '../support/tested-broker.ts'

// With those that have, `transactions.interop.test.ts` runs.
test.skipIf(isApacheKafkaTested)(
  'a relay that is to use transactions halts where the brokers have none',
  async () => {
    await using stack = await RelayStack.start()
    const relay = stack.relay({ delivery: 'transactional' })
    await stack.hasState(relay, 'halted')
    const { reason } = (await stack.statusOf(relay)) ?? { reason: '' }
    expect(reason).toContain('the brokers have no transactions')
    expect(reason).toContain('set delivery to idempotent')
  },
)
