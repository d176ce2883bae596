import { expect, test } from 'vitest'
import { accountId, accounts, deposited } from '../testing/accounts.test-fixture.ts'
import { FoldedRows } from './folded-rows.ts'

/** A record that lies, as one that was fetched, among others. */
function fetched(offset: number, amount: number) {
  const { key, value, headers } = deposited(accountId(1), amount)
  const among = (bytes: Uint8Array | null) => {
    const all = new Uint8Array(10_000)
    all.set(bytes ?? [], 100)
    return all.subarray(100, 100 + (bytes?.length ?? 0))
  }
  const record = {
    topic: 'outbox.event.account',
    partition: 0,
    offset,
    timestampMs: 1_000,
    key: among(key),
    value: among(value),
    headers: headers.map(([name, bytes]) => [name, among(bytes)] as const),
  }
  const event = {
    type: 'Deposited',
    data: { accountId: accountId(1), amount },
    id: String(offset),
    key: accountId(1),
    at: new Date(1_000),
    source: { topic: record.topic, partition: 0, offset },
    headers: {},
  }
  const common = { key: accountId(1), tenant: '', eventType: 'Deposited', source: null }
  return { ...common, record, content: { kind: 'event' as const, event } }
}

test('a letter holds on to its record alone, and to nothing that was fetched with it', () => {
  const folded = new FoldedRows(accounts, [])
  const [poison, behind] = [fetched(0, 0), fetched(1, 5)]
  folded.fold([poison, behind], folded.openLedger())
  expect(folded.letters.map(({ cause }) => cause.kind)).toEqual(['failed', 'blocked'])
  expect(folded.letters.map(({ record }) => record)).toEqual([poison.record, behind.record])
  for (const { record } of folded.letters) {
    const parts = [record.key, record.value, ...record.headers.map(([, bytes]) => bytes)]
    for (const part of parts) expect(part?.buffer.byteLength).toBe(part?.length)
  }
})

test('what is cleared is written: the rows and letters are gone, and the parked keys stay', () => {
  const folded = new FoldedRows(accounts, [])
  folded.fold([fetched(0, 5), fetched(1, 0)], folded.openLedger())
  expect([...folded.rows()]).toMatchObject([{ id: accountId(1), balance: 5 }])
  const bytes = folded.bytesWith(0)
  folded.clear()
  expect(folded.bytesWith(0)).toBeLessThan(bytes)
  expect([[...folded.rows()], folded.letters]).toEqual([[], []])
  folded.fold([fetched(2, 7)], folded.openLedger())
  expect(folded.letters.map(({ cause }) => cause.kind)).toEqual(['blocked'])
})
