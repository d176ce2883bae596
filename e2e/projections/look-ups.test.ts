import { once } from 'node:events'
import { type ServerResponse, createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { ProjectionStack } from '../support/projection-stack.ts'
import { waitFor } from '../support/wait-for.ts'
import { foldAccounts, readAccounts, readLetters } from './account-oracle.ts'
import { AccountEvents } from './accounts.ts'

/** Answers look-ups after a while that differs from one to the next. */
class SlowService implements AsyncDisposable {
  /** `by`: which process, and for which key. */
  readonly asked: { readonly by: string; readonly offset: number }[] = []
  /** Look-ups of events from this offset on get no answer. */
  silentFrom = Number.POSITIVE_INFINITY
  readonly #server = createServer(({ url = '' }, response) => this.#answer(url, response))

  async listen(): Promise<string> {
    this.#server.listen(0, '127.0.0.1')
    await once(this.#server, 'listening')
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise((resolve) => this.#server.close(resolve))
  }

  #answer(url: string, response: ServerResponse): void {
    const [, pid, key, offset] = url.split('/')
    this.asked.push({ by: `${pid} ${key}`, offset: Number(offset) })
    if (Number(offset) >= this.silentFrom) return
    setTimeout(() => response.end(`of ${url}`), (this.asked.length * 7) % 6)
  }
}

test('killed while it looks things up, a projector applies each event once, and asks in order', async () => {
  await using service = new SlowService()
  const env = { LOOK_UP_URL: await service.listen() }
  await using stack = await ProjectionStack.start({
    events: AccountEvents,
    projections: join(import.meta.dirname, 'accounts-looked-up.ts'),
  })
  const events = Array.from({ length: 1_200 }, (_, index) =>
    // One event in the middle has a handler that throws.
    AccountEvents.Deposited({ accountId: `a${index % 40}`, amount: index === 607 ? 0 : index + 1 }),
  )
  await stack.publish(...events)
  const config = { 'batch.records.max': 100 }
  for (const count of [150, 700]) {
    service.silentFrom = count
    const app = stack.projector(config, env)
    await waitFor('look-ups to be under way', 60_000, () =>
      Promise.resolve(service.asked.some(({ offset }) => offset >= count)),
    )
    await app.stop('SIGKILL')
    expect((await stack.checkpoints('accounts')).get(0)).toBeLessThanOrEqual(count)
  }
  service.silentFrom = Number.POSITIVE_INFINITY
  const { pid } = stack.projector(config, env)
  await stack.caughtUp('accounts')

  const expected = await foldAccounts(stack)
  expect(await readAccounts(stack)).toEqual(expected.rows)
  expect(await readLetters(stack)).toEqual(expected.letters)
  expect(expected.letters.size).toBeGreaterThan(1)
  for (const [, ofKey] of Map.groupBy(service.asked, ({ by }) => by)) {
    // A batch that a group of other members takes away is looked up again.
    const offsets = [...new Set(ofKey.map(({ offset }) => offset))]
    expect(offsets).toEqual(offsets.toSorted((a, b) => a - b))
  }
  const { rows } = await stack.pool.query<{ id: string; note: string }>(
    "select id, note from public.account where id = 'a39'",
  )
  expect(rows).toEqual([{ id: 'a39', note: `of /${pid}/a39/1199` }])
})
