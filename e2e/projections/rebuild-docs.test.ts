import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { OrderEvents } from '../../examples/shop/src/events.ts'
import { CLI_ENVIRONMENT } from '../support/cli.ts'
import { ROOT } from '../support/platform.ts'
import { hasState, release, startStack } from './rebuild-stack.ts'

const ORDER_ID = '00000000-0000-4000-8000-000000000001'

test('the commands of docs/projections-rebuild.md work as printed, one after the other', async () => {
  await using stack = await startStack({ events: OrderEvents, partitions: 2 })
  await stack.publish(
    OrderEvents.OrderPlaced({
      orderId: ORDER_ID,
      customerId: 'ana',
      sku: 'tea',
      quantity: 2,
      unitPriceCents: 450n,
      placedAt: new Date(0),
    }),
  )
  const projector = release(stack, 'order_summary:1,order_summary:2')
  await hasState(stack, 2, ['ready'], 'order_summary')
  const text = readFileSync(join(ROOT, 'docs/projections-rebuild.md'), 'utf8')
  const blocks = [...text.matchAll(/^```sh\n(.*?)^```/gms)].map(([, block = '']) => block)
  const commands = blocks.flatMap((block) => block.trim().split('\n'))
  expect(commands).toHaveLength(11)
  const env = { ...process.env, ...CLI_ENVIRONMENT, FAIRLEAD_PROJECTOR: projector.url }
  for (const command of commands) {
    // It rejects, with what was printed, unless the exit code is 0.
    await promisify(execFile)('bash', ['-c', command], { env, cwd: ROOT })
  }
})
