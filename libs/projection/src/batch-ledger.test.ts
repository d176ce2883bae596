import { DecodeError } from '@fairlead/base'
import { expect, test } from 'vitest'
import { Attempts } from './attempts.ts'
import { BatchLedger } from './batch-ledger.ts'
import type { Projection } from './definition.ts'
import type { EventFailureAction } from './error-rules.ts'
import { EventFailure } from './failure.ts'
import type { PreparedRecord } from './log-record.ts'
import { accounts, sampleRecord } from './sample-projection.test-fixture.ts'

const poison = sampleRecord({ type: 'Deposited', key: 'a', amount: -1 }, 7, 0)
const follower = sampleRecord({ type: 'Deposited', key: 'a', amount: 1 }, 8, 1)

const failedBefore = (offset: number, count: number, attempts = Attempts.none): Attempts =>
  Array.from({ length: count }).reduce<Attempts>(
    (sum) => sum.with({ ...poison.record, offset }),
    attempts,
  )

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
    attempts: options.attempts ?? Attempts.none,
  })

test.for([
  { failedBefore: 0, action: 'retry' },
  { failedBefore: 1, action: 'retry' },
] as const)('after $failedBefore failures an event with two retries is tried again', (row) => {
  const ledger = ledgerThat({ attempts: failedBefore(7, row.failedBefore) })
  expect(() => ledger.failed(poison, new RangeError('bad'), 'handle')).toThrow(
    expect.objectContaining({
      name: 'EventFailure',
      action: row.action,
      record: poison.record,
      attempt: row.failedBefore + 1,
      failureClass: 'code',
    }) as EventFailure,
  )
  expect(ledger.letters).toEqual([])
})

test('the last attempt parks the key, and says how many there were', () => {
  const ledger = ledgerThat({ attempts: failedBefore(7, 2) })
  ledger.failed(poison, new RangeError('bad'), 'handle')
  expect(ledger.letters).toMatchObject([{ key: 'a', cause: { kind: 'failed', attempts: 3 } }])
  expect(ledger.open(follower)).toBeNull()
  expect(ledger.letters[1]).toMatchObject({ cause: { kind: 'blocked' } })
})

test('attempts of one event do not count for another', () => {
  const ledger = ledgerThat({ attempts: failedBefore(6, 2) })
  expect(() => ledger.failed(poison, new RangeError('bad'), 'handle')).toThrow(EventFailure)
})

test('an event keeps its attempts while others fail beside it', () => {
  const ledger = ledgerThat({ attempts: failedBefore(8, 2, failedBefore(7, 2)) })
  ledger.failed(poison, new RangeError('bad'), 'handle')
  expect(ledger.letters).toMatchObject([{ cause: { attempts: 3 } }])
})

test('after a hundred events that failed in a row, others are parked at their first failure', () => {
  const others = Array.from({ length: 100 }, (_, index) => 1_000 + index)
  const attempts = others.reduce((sum, offset) => failedBefore(offset, 1, sum), Attempts.none)
  const ledger = ledgerThat({ attempts })
  ledger.failed(poison, new RangeError('bad'), 'handle')
  expect(ledger.letters).toMatchObject([{ cause: { attempts: 1 } }])
  const known = { ...poison, record: { ...poison.record, offset: 1_000 } }
  expect(() => ledger.failed(known, new RangeError('bad'), 'handle')).toThrow(EventFailure)
})

test('a projection decides by how often an event has failed', () => {
  const classify: Projection['classify'] = (_error, _event, { attempt }) =>
    attempt < 3 ? 'retry' : 'skip'
  const failedAgain = (attempts: Attempts) => {
    const projection = { ...accounts, classify, retry: { retries: 5, baseMs: 1, maxMs: 1 } }
    const ledger = new BatchLedger({ projection, parkedKeys: new Set(), attempts })
    ledger.failed(poison, new RangeError('bad'), 'handle')
    return ledger.skipped.length
  }
  expect(() => failedAgain(failedBefore(7, 1))).toThrow(EventFailure)
  expect(failedAgain(failedBefore(7, 2))).toBe(1)
})

test.for([['Skip'], [Promise.resolve('skip')], [null], [true]])(
  'a `classify` that answers %s is told, and loses no event',
  ([answer]) => {
    const told: unknown[] = []
    const ledger = new BatchLedger({
      projection: { ...accounts, classify: () => answer as never },
      parkedKeys: new Set(),
      attempts: Attempts.none,
      classifyFailed: (error) => told.push(error),
    })
    ledger.failed(poison, new RangeError('bad'), 'handle')
    expect(ledger.letters).toMatchObject([{ cause: { kind: 'failed', errorClass: 'RangeError' } }])
    expect(told).toMatchObject([
      { name: 'TypeError', message: expect.stringMatching(/retry, park/) },
    ])
  },
)

test('a `classify` that throws is told, and decides nothing', () => {
  const told: unknown[] = []
  const broken = new TypeError('no such property')
  const ledger = new BatchLedger({
    projection: {
      ...accounts,
      classify: () => {
        throw broken
      },
    },
    parkedKeys: new Set(),
    attempts: Attempts.none,
    classifyFailed: (error) => told.push(error),
  })
  ledger.failed(poison, new RangeError('bad'), 'handle')
  expect(ledger.letters).toMatchObject([{ cause: { kind: 'failed', errorClass: 'RangeError' } }])
  expect(told).toMatchObject([{ name: broken.name, message: broken.message }])
})

test('failures are counted by whose fault they are, skipped ones too', () => {
  const ledger = ledgerThat({ says: 'skip' })
  ledger.failed(poison, new RangeError('bad'), 'handle')
  ledger.open({ ...follower, content: { kind: 'undecodable', error: new Error('no Avro') } })
  expect([...ledger.failureCounts]).toEqual([
    ['code', 1],
    ['decode', 1],
  ])
})

test('a skipped event leaves its key alone', () => {
  const ledger = ledgerThat({ says: 'skip' })
  ledger.failed(poison, new RangeError('bad'), 'handle')
  expect(ledger.open(follower)).toMatchObject({ type: 'Deposited' })
  expect(ledger.skipped).toHaveLength(1)
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

test('an event that fails is decoded once: another time it might be refused', () => {
  let decodedCount = 0
  const encoded: PreparedRecord = {
    ...poison,
    get content(): PreparedRecord['content'] {
      decodedCount += 1
      return decodedCount === 1 ? poison.content : { kind: 'undecodable', error: new Error('no') }
    },
  }
  const ledger = ledgerThat({ says: 'park' })
  expect(ledger.open(encoded)).not.toBeNull()
  ledger.failed(encoded, new RangeError('bad'), 'handle')
  expect(ledger.letters).toMatchObject([{ cause: { kind: 'failed', errorClass: 'RangeError' } }])
  expect(decodedCount).toBe(1)
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

test('no text of an error has half of a character in it', () => {
  const ledger = ledgerThat({ says: 'park' })
  const error = new RangeError(`${'x'.repeat(8_191)}\u{1f600}`)
  error.name = 'Lone\ud800Error\0'
  ledger.failed(poison, error, 'handle')
  const [letter] = ledger.letters
  expect(letter?.cause).toMatchObject({
    errorClass: 'Lone\ufffdError',
    errorMessage: expect.stringMatching(/^x+\ufffd$/),
  })
})

test('a key is parked, with retries left, whatever the projection says about failures', () => {
  for (const says of ['skip', 'stop', 'retry'] as const) {
    const ledger = ledgerThat({ says })
    ledger.park({ ...poison, tenant: 'acme' }, new Error('no tables'))
    expect(ledger.letters).toMatchObject([
      { key: 'a', cause: { kind: 'failed', attempts: 1, mayPass: true, isOfTenant: true } },
    ])
    expect(ledger.open(follower)).toBeNull()
    expect(ledger.skipped).toEqual([])
  }
})

test('a letter may pass later unless its record is no event, or the projection has said to park it', () => {
  const mayPass = (ledger: BatchLedger): readonly unknown[] =>
    ledger.letters.map(({ cause }) => cause.kind === 'failed' && cause.mayPass)
  const failing = (says?: EventFailureAction, error: Error = new RangeError('bad')) => {
    const ledger = ledgerThat({
      ...(says === undefined ? {} : { says }),
      attempts: failedBefore(7, 2),
    })
    ledger.failed(poison, error, 'handle')
    return ledger
  }
  expect(mayPass(failing())).toEqual([true])
  expect(mayPass(failing('retry'))).toEqual([true])
  expect(mayPass(failing('park'))).toEqual([false])
  expect(mayPass(failing(undefined, new DecodeError('no date', 0)))).toEqual([false])
  const undecodable = ledgerThat({})
  undecodable.open({ ...poison, content: { kind: 'undecodable', error: new Error('no Avro') } })
  expect(mayPass(undecodable)).toEqual([false])
})
