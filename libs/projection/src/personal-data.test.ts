import { expect, test } from 'vitest'
import { Attempts } from './attempts.ts'
import { BatchLedger } from './batch-ledger.ts'
import type { AnyEvent } from './definition.ts'
import { classifyFailure } from './failure.ts'
import { personalTexts, redactPersonal } from './personal-data.ts'
import { describeError, redactedError, redactionOf } from './redacted-error.ts'
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

test('what is personal deep in an event is hidden, wherever its type is named', () => {
  const person = {
    type: 'record',
    name: 'Person',
    fields: [
      { name: 'email', type: 'string', pii: true },
      { name: 'since', type: 'int' },
      { name: 'partner', type: ['null', 'Person'], default: null },
    ],
  } as const
  const holders = {
    ...events,
    definitions: {
      Opened: {
        type: 'record',
        name: 'Opened',
        namespace: 'bank',
        fields: [
          { name: 'owner', type: person },
          { name: 'guests', type: { type: 'array', items: 'Person' } },
          { name: 'byRole', type: { type: 'map', values: ['null', 'bank.Person'] } },
          { name: 'home', type: ['null', { type: 'map', values: 'string' }], pii: true },
          { name: 'at', type: { type: 'long', logicalType: 'timestamp-millis' } },
        ],
      },
    },
  } as const
  const of = (email: string, partner: object | null = null) => ({ email, since: 7, partner })
  const at = new Date(0)
  const data = {
    owner: of('ana@x', of('bob@x')),
    guests: [of('cleo@x')],
    byRole: { heir: of('dan@x'), none: null },
    home: { street: 'Elm Street' },
    at,
  }
  const hidden = { email: '[redacted]', since: 7, partner: null }
  expect(redactPersonal([holders], { type: 'Opened', data })).toEqual({
    owner: { ...hidden, partner: hidden },
    guests: [hidden],
    byRole: { heir: hidden, none: null },
    home: '[redacted]',
    at,
  })
  const event = { type: 'Opened', data } as unknown as AnyEvent
  expect(personalTexts([holders], event).toSorted()).toEqual([
    'Elm Street',
    'ana@x',
    'bob@x',
    'cleo@x',
    'dan@x',
  ])
})

test('a text that is part of another is taken out after it', () => {
  const event = { type: 'Deposited', data: { accountId: ['ana', 'ana@x'] } } as unknown as AnyEvent
  expect(personalTexts([events], event)).toEqual(['ana@x', 'ana'])
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

test('an error that shows an event as JSON, or a time of it, is stored without what is personal', () => {
  const at = new Date('1971-02-03T04:05:06.789Z')
  const data = { accountId: ['O"Neil\n', at, new Uint8Array([7, 200])], amount: -1 }
  const event = { type: 'Deposited', data } as unknown as AnyEvent
  const redact = redactionOf([events], event)
  const told = [JSON.stringify(data), String(at), at.toUTCString(), 'at 1971-02-03 04:05', '7,200']
  expect(told.map(redact)).toEqual([
    '{"accountId":["[redacted]","[redacted]",{"0":7,"1":200}],"amount":-1}',
    '[redacted]',
    '[redacted]',
    'at [redacted] 04:05',
    '[redacted]',
  ])
  // No byte on its own: it is in every other number.
  expect(redact('2001')).toBe('2001')
})

test('what is personal is found before a text is cut in it', () => {
  const secret = 'ana@example.org'
  const event = { type: 'Deposited', data: { accountId: secret } } as unknown as AnyEvent
  const error = new RangeError(`${'x'.repeat(8_185)}${secret}`)
  const { errorMessage } = describeError(error, redactionOf([events], event))
  expect(errorMessage).toMatch(/x\[redact$/)
})

test('an error of no event stays itself where it says nothing personal', () => {
  const event = { type: 'Deposited', data: { accountId: 'ana@example.org' } } as unknown as AnyEvent
  const of = { sources: [events], event, failureClass: 'infra' } as const
  const away = Object.assign(new Error('terminated'), { code: '57P01' })
  expect(redactedError(away, of)).toBe(away)
  const quoting = Object.assign(new Error('terminated'), {
    detail: 'ana@example.org',
    code: '57P01',
  })
  const redacted = redactedError(quoting, of)
  expect(redacted).toMatchObject({ name: 'Error', message: 'terminated', code: '57P01' })
  expect(redacted).not.toHaveProperty('detail')
  expect(classifyFailure(redacted, 'handler')).toBe('infra')
})
