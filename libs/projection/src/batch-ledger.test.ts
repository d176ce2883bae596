import { expect, test } from 'vitest'
import { type Attempts, BatchLedger, NO_ATTEMPTS } from './batch-ledger.ts'
import type { EventFailureAction } from './definition.ts'
import { EventFailure } from './failure.ts'
import { accounts, sampleRecord } from './sample-projection.test-fixture.ts'

const poison = sampleRecord({ type: 'Deposited', key: 'a', amount: -1 }, 7, 0)
const follower = sampleRecord({ type: 'Deposited', key: 'a', amount: 1 }, 8, 1)

const ledgerThat = (options: {
  says?: EventFailureAction
  attempts?: Attempts
  parked?: readonly string[]
}): BatchLedger =>
  new BatchLedger({
    projection: {
      ...accounts,
      classify: () => options.says,
      retry: { retries: 2, baseMs: 1, maxMs: 1 },
    },
    parkedKeys: new Set(options.parked),
    attempts: options.attempts ?? NO_ATTEMPTS,
  })

test.for([
  { failedBefore: 0, action: 'retry' },
  { failedBefore: 1, action: 'retry' },
] as const)('after $failedBefore failures an event with two retries is tried again', (row) => {
  const ledger = ledgerThat({ attempts: { offset: 7, count: row.failedBefore } })
  expect(() => ledger.failed(poison, new RangeError('bad'), 'handle')).toThrow(
    expect.objectContaining({
      name: 'EventFailure',
      action: row.action,
      offset: 7,
    }) as EventFailure,
  )
  expect(ledger.letters).toEqual([])
})

test('the last attempt parks the key, and says how many there were', () => {
  const ledger = ledgerThat({ attempts: { offset: 7, count: 2 } })
  ledger.failed(poison, new RangeError('bad'), 'handle')
  expect(ledger.letters).toMatchObject([{ key: 'a', cause: { kind: 'failed', attempts: 3 } }])
  expect(ledger.open(follower)).toBeNull()
  expect(ledger.letters[1]).toMatchObject({ cause: { kind: 'blocked' } })
})

test('attempts of one event do not count for another', () => {
  const ledger = ledgerThat({ attempts: { offset: 6, count: 2 } })
  expect(() => ledger.failed(poison, new RangeError('bad'), 'handle')).toThrow(EventFailure)
})

test('a skipped event leaves its key alone', () => {
  const ledger = ledgerThat({ says: 'skip' })
  ledger.failed(poison, new RangeError('bad'), 'handle')
  expect(ledger.open(follower)).toMatchObject({ type: 'Deposited' })
  expect(ledger.skippedCount).toBe(1)
})

test('a projection may stop itself', () => {
  const ledger = ledgerThat({ says: 'stop' })
  expect(() => ledger.failed(poison, new RangeError('bad'), 'handle')).toThrow(
    expect.objectContaining({ action: 'stop' }) as EventFailure,
  )
})

test('nobody is blamed for a database that is down, whatever the projection says', () => {
  const ledger = ledgerThat({ says: 'park' })
  const down = Object.assign(new Error('connect'), { code: 'ECONNREFUSED' })
  expect(() => ledger.failed(poison, down, 'handle')).toThrow(down)
  expect(ledger.letters).toEqual([])
})

test('events of a key that was parked before are set aside unread', () => {
  const undecodable = { kind: 'undecodable' as const, error: new Error('no Avro') }
  const ledger = ledgerThat({ parked: ['a'] })
  expect(ledger.open({ ...follower, content: undecodable })).toBeNull()
  expect(ledger.letters).toMatchObject([{ cause: { kind: 'blocked' } }])
  expect([...ledger.parkedKeys]).toEqual([])
})

test('the text of an error is cut, and fit for Postgres', () => {
  const ledger = ledgerThat({ says: 'park' })
  ledger.failed(poison, new RangeError(`a\0b${'x'.repeat(10_000)}`), 'handle')
  const [letter] = ledger.letters
  const message = letter?.cause.kind === 'failed' ? letter.cause.errorMessage : ''
  expect(message.startsWith('abx')).toBe(true)
  expect(message.length).toBeLessThanOrEqual(8_192)
})
