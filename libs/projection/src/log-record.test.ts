import { describe, expect, test } from 'vitest'
import { type LogRecord, headersText, keyText, planRecord, unitOf } from './log-record.ts'
import { accounts } from './sample-projection.test-fixture.ts'

const utf8 = new TextEncoder()
const record = (changes: Partial<LogRecord> = {}): LogRecord => ({
  topic: 'outbox.event.account',
  partition: 3,
  offset: 7,
  timestampMs: 0,
  key: utf8.encode('order-1'),
  value: utf8.encode('value'),
  headers: [['eventType', utf8.encode('Deposited')]],
  ...changes,
})

describe('the key of a record', () => {
  test.for([
    ['is its text', utf8.encode('órder-1'), 'órder-1'],
    ['may be empty', utf8.encode(''), ''],
    ['is its own place when there is none', null, '3:7'],
    ['is its own place when it is no UTF-8', Uint8Array.of(0xff, 0xfe), '3:7'],
    ['is its own place when Postgres cannot store it', utf8.encode('a\0b'), '3:7'],
  ] as const)('%s', ([, key, text]) => {
    expect(keyText(record({ key }))).toBe(text)
  })
})

describe('by its headers a record is', () => {
  const kindOf = (changes: Partial<LogRecord>): string => {
    const subject = record(changes)
    return planRecord(accounts, subject, headersText(subject)['eventType']).kind
  }
  test.for([
    ['an event that the projection handles', {}, 'event'],
    ['a tombstone', { value: null }, 'ignored'],
    ['of a type without handler', { headers: [['eventType', utf8.encode('Renamed')]] }, 'ignored'],
    ['of a type that is not defined', { headers: [['eventType', utf8.encode('Else')]] }, 'unknown'],
    [
      'of a type that every object has',
      { headers: [['eventType', utf8.encode('toString')]] },
      'unknown',
    ],
    [
      'of a type of other words',
      { headers: [['eventType', utf8.encode('shop.paid-2')]] },
      'unknown',
    ],
    ['of no type', { headers: [] }, 'undecodable'],
    ['of an empty type', { headers: [['eventType', utf8.encode('')]] }, 'undecodable'],
    ['of a null type', { headers: [['eventType', null]] }, 'undecodable'],
    [
      'of a type that no release has',
      { headers: [['eventType', utf8.encode('a b')]] },
      'undecodable',
    ],
    ['of a type that is no text', { headers: [['eventType', Uint8Array.of(0xff)]] }, 'undecodable'],
  ] as const)('%s', ([, changes, kind]) => {
    expect(kindOf(changes)).toBe(kind)
  })
})

test('tenants with one key are two units, however they are spelled', () => {
  expect(unitOf('', 'o1')).toBe('o1')
  expect(unitOf('', 'acme/o1')).not.toBe(unitOf('acme', 'o1'))
  expect(unitOf('', '/acme/o1')).not.toBe(unitOf('', 'acme/o1'))
  expect(unitOf('acme', 'o1')).toBe('acme/o1')
  expect(unitOf('a/b', 'c')).not.toBe(unitOf('a', 'b/c'))
  expect(unitOf('a/b', 'c')).not.toBe(unitOf('a%2Fb', 'c'))
})

test('of a header that comes again the last counts, whatever its name', () => {
  const headers = ['type', '__proto__', 'type', '__proto__'].map(
    (name, index) => [name, utf8.encode(String(index))] as const,
  )
  expect(new Map(Object.entries(headersText(record({ headers }))))).toEqual(
    new Map([
      ['type', '2'],
      ['__proto__', '3'],
    ]),
  )
})
