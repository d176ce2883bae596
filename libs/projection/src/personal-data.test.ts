import { expect, test } from 'vitest'
import { Attempts } from './attempts.ts'
import { BatchLedger } from './batch-ledger.ts'
import { redactPersonal } from './personal-data.ts'
import { accounts, sampleRecord } from './sample-projection.test-fixture.ts'

const [source] = accounts.sources
const definitions = source?.definitions ?? {}
const events = {
  topic: 'outbox.event.account',
  upcasts: {},
  definitions: {
    ...definitions,
    Deposited: {
      ...definitions['Deposited'],
      type: 'record',
      name: 'Deposited',
      fields: [
        { name: 'accountId', type: 'string', pii: { subject: 'accountId' } },
        { name: 'amount', type: 'int' },
      ],
    },
  },
} as const

test('fields that the schema marks as personal are not shown', () => {
  const data = { accountId: 'ana@example.org', amount: 5 }
  expect(redactPersonal([events], { type: 'Deposited', data })).toEqual({
    accountId: '[redacted]',
    amount: 5,
  })
})

test('an error that quotes personal data is stored without it', () => {
  const ledger = new BatchLedger({
    projection: { ...accounts, sources: [events] },
    parkedKeys: new Set(),
    attempts: Attempts.none,
  })
  const sample = sampleRecord({ type: 'Deposited', key: 'ana', amount: -1 }, 7, 0)
  if (sample.content.kind !== 'event') throw new TypeError('a deposit is an event')
  const event = { ...sample.content.event, data: { accountId: 'ana@example.org', amount: -1 } }
  const poison = { ...sample, content: { kind: 'event', event } } as const
  ledger.failed(poison, new RangeError('ana@example.org owes 1'), 'handle')
  const [letter] = ledger.letters
  expect(letter?.cause).toMatchObject({ errorMessage: '[redacted] owes 1' })
  expect(JSON.stringify(letter?.cause)).not.toContain('ana@example.org')
})
