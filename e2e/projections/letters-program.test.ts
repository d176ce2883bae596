import { join } from 'node:path'
import { createDeadLetters } from '@fairlead/dead-letters'
import { expect, test } from 'vitest'
import { ProjectionStack } from '../support/projection-stack.ts'
import { foldAccounts, readAccounts, readLetters } from './account-oracle.ts'
import { AccountEvents } from './accounts.ts'

const ANA = { actor: 'ana', reason: 'nothing was a typing error' }
/** More than a page of the list has. */
const KEY_COUNT = 120

const deposit = (accountId: string, amount: number) =>
  AccountEvents.Deposited({ accountId, amount })

async function all<T>(items: AsyncIterable<T>): Promise<readonly T[]> {
  const list: T[] = []
  for await (const item of items) list.push(item)
  return list
}

test('a program goes through parked keys, and edits, replays or discards their letters', async () => {
  await using stack = await ProjectionStack.start({
    events: AccountEvents,
    projections: join(import.meta.dirname, 'accounts.ts'),
    partitions: 2,
  })
  const app = stack.projector({ 'parked.keys.per.minute.max': 100_000 })
  const keys = Array.from({ length: KEY_COUNT }, (_, index) => `key-${index}`)
  await stack.publish(...keys.map((key) => deposit(key, 0)), ...keys.map((key) => deposit(key, 7)))
  await stack.publish(deposit('bystander', 3))
  await stack.caughtUp('accounts')
  const letters = createDeadLetters({
    url: app.url,
    projection: 'accounts',
    events: AccountEvents,
  })

  const first = await all(letters.letters({ key: 'key-0' }))
  expect(first).toMatchObject([
    { kind: 'failed', event: { type: 'Deposited', data: { accountId: 'key-0', amount: 0 } } },
    { kind: 'blocked', event: { type: 'Deposited', data: { accountId: 'key-0', amount: 7 } } },
  ])

  const edits = new Map<string, number>()
  const discarded = new Set<string>()
  const seen: string[] = []
  const mend = async (key: string, id: string): Promise<void> => {
    const [head] = await all(letters.letters({ key, kind: 'failed' }))
    const amount = seen.length
    edits.set(`${head?.partition}@${head?.offset}`, amount)
    await letters.edit(
      id,
      (event) => {
        if (event.type !== 'Deposited') throw new TypeError(`no deposit but ${event.type}`)
        return { ...event.data, amount }
      },
      ANA,
    )
    expect(await letters.dryRun({ id })).toMatchObject({
      appliedCount: 1,
      failed: [],
      changes: [{ table: 'account', before: null, after: { id: key, balance: amount } }],
    })
    expect(await letters.replay({ key }, ANA)).toMatchObject({
      replayed: 2,
      failedKeys: 0,
      pendingKeys: 0,
    })
  }
  const giveUp = async (key: string): Promise<void> => {
    expect(await letters.discard({ key }, ANA)).toBe(2)
    discarded.add(key)
  }
  const fingerprint = first[0]?.fingerprint ?? ''
  for await (const { key, headId } of letters.keys({ fingerprint })) {
    seen.push(key)
    await (seen.length % 10 === 0 ? mend(key, headId ?? '') : giveUp(key))
  }
  expect(seen.toSorted()).toEqual(keys.toSorted())

  expect(await all(letters.keys())).toEqual([])
  expect(await readLetters(stack)).toEqual(new Map())
  const { rows } = await foldAccounts(stack, edits)
  expect(await readAccounts(stack)).toEqual(rows.filter(({ id }) => !discarded.has(id)))
  await expect(letters.discard({ all: true }, ANA)).rejects.toMatchObject({ code: 'NOT_FOUND' })
}, 300_000)
