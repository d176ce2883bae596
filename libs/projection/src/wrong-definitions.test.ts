import { defineEvents } from '@fairlead/avro'
import { describe, expect, test } from 'vitest'
import { defineProjection } from './definition.ts'
import { tables } from './table.ts'

/** What types refuse: a definition in JavaScript, or behind a cast, gets as far as the checks. */
type Anything = Readonly<Record<string, unknown>>

const Events = defineEvents({
  topic: 't',
  key: 'id',
  events: {
    Counted: { type: 'record', name: 'Counted', fields: [{ name: 'id', type: 'string' }] },
  },
})
const table = (columns: Anything, keyColumn = 'id') =>
  (tables() as (name: string, keyColumn: string, columns: Anything) => never)(
    'counts',
    keyColumn,
    columns,
  )
const COLUMNS = { id: 'text', count: 'integer' }
const HEADER = { name: 'counts', version: 1, from: Events, into: table(COLUMNS) }
const FORM = { initial: (id: string) => ({ id, count: 0 }), on: {} }

type Builder = Readonly<Record<'fold' | 'sql' | 'commutative', (form: Anything) => unknown>>
const define = (header: Anything): Builder =>
  defineProjection(header as never) as unknown as Builder

test('a definition that is right is taken', () => {
  expect(define(HEADER).fold(FORM)).toMatchObject({ name: 'counts', kind: 'fold' })
})

describe('a projection is refused with', () => {
  test.for([
    ['no name', { name: undefined }, '"undefined" is not a lower-case projection name: a letter'],
    [
      'a version that is no integer of Postgres',
      { version: 2 ** 31 },
      'count from 1, to 2147483647',
    ],
    ['nothing to read', { from: undefined }, 'counts: from is an event set'],
    ['an empty list to read', { from: [] }, 'counts: from is an event set'],
    ['nothing to write', { into: undefined }, 'counts: into is what tables<DB>() makes'],
    [
      'a key that is no function',
      { key: 'id' },
      'counts: key is a function, not a value of type string',
    ],
    [
      'an order that nothing keeps',
      { key: () => 'a', order: 'partition' },
      `counts: order is 'none', which goes with a key, or left out, not "partition"`,
    ],
    ['a look-up that is none', { enrich: 5 }, 'counts: enrich is a function'],
    [
      'a classification that is none',
      { errors: { classify: 'park' } },
      'errors.classify is a function',
    ],
    [
      'tries below none',
      { errors: { retry: { retries: -1 } } },
      'errors.retry.retries is from 0 to',
    ],
    ['half a try', { errors: { retry: { retries: 1.5 } } }, 'errors.retry.retries is from 0 to'],
    [
      'no letters',
      { errors: { park: { maxPerKey: 0 } } },
      'errors.park.maxPerKey is a whole number from 1',
    ],
    [
      'half a key',
      { errors: { park: { maxKeys: 1.5 } } },
      'errors.park.maxKeys is a whole number from 1, not 1.5',
    ],
    [
      'a bound that there is not',
      { errors: { park: { maxLetters: 5 } } },
      'errors.park has maxPerKey and maxKeys, and no maxLetters',
    ],
    ['a part that there is not', { enrch: () => 1 }, 'counts has no "enrch"; it may have name, '],
    [
      'a part of its errors that there is not',
      { errors: { retries: 5 } },
      'counts: errors has no "retries"; it may have classify, retry, retryParked, park',
    ],
    [
      'a part of its tries that there is not',
      { errors: { retry: { retrys: 5 } } },
      'errors.retry has no "retrys"; it may have retries, base, max',
    ],
    [
      'a part of its later tries that there is not',
      { errors: { retryParked: { tries: 5 } } },
      'errors.retryParked has no "tries"',
    ],
    [
      'a part of its inbox that there is not',
      { inbox: { retention: '7d', size: 1 } },
      'counts: inbox has no "size"; it may have retention',
    ],
    [
      'endless tries',
      { errors: { retry: { retries: Infinity } } },
      'errors.retry.retries is from 0',
    ],
    [
      'a wait that is longer than the longest',
      { errors: { retry: { base: '10s', max: '1s' } } },
      'errors.retry.base is the shortest wait, and longer than errors.retry.max',
    ],
    [
      'a wait that no timer of Node has',
      { errors: { retry: { max: '25d' } } },
      'errors.retry.max is 24d at most',
    ],
    [
      'as much for parked keys',
      { errors: { retryParked: { base: '2h', max: '1h' } } },
      'errors.retryParked.base is the shortest wait',
    ],
  ] as const)('%s', ([, wrong, message]) => {
    expect(() => define({ ...HEADER, ...wrong }).fold(FORM)).toThrow(message)
  })

  test.for([
    ['no handlers', { on: undefined }, 'counts: on has a handler for each type of event'],
    ['a form that has more', { final: 1 }, 'counts: its fold has no "final"; it may have initial'],
    ['a handler that is no function', { on: { Counted: 5 } }, 'counts: on.Counted is a function'],
    [
      'no row to begin with',
      { initial: undefined },
      'counts: initial is a function, not undefined',
    ],
  ] as const)('%s', ([, wrong, message]) => {
    expect(() => define(HEADER).fold({ ...FORM, ...wrong })).toThrow(message)
  })

  test('handlers in SQL for a table of a fold', () => {
    const form = { migrate: () => Promise.resolve(), on: {} }
    expect(() => define(HEADER).sql(form)).toThrow('counts: handlers in SQL have the tables that')
  })

  test.for([{ key: () => 'a' }, { order: 'none' }])('%o for handlers in SQL', (part) => {
    const form = { migrate: () => Promise.resolve(), on: {} }
    expect(() => define({ ...HEADER, into: undefined, ...part }).sql(form)).toThrow(
      'counts: handlers in SQL change rows of whatever key',
    )
  })

  test('an operation that there is not', () => {
    const form = { columns: { count: 'add' }, on: {} }
    expect(() => define(HEADER).commutative(form)).toThrow('count is inc, max or min, not add')
  })
})

test('the longest wait is no shorter than the first one, where only that one is said', () => {
  const { retry } = define({ ...HEADER, errors: { retry: { retries: 3, base: '1m' } } }).fold(
    FORM,
  ) as { readonly retry: unknown }
  expect(retry).toEqual({ retries: 3, baseMs: 60_000, maxMs: 60_000 })
})

describe('a table is refused with', () => {
  test.for([
    [
      'a type that is not one of those',
      { ...COLUMNS, at: 'varchar(20)' },
      'counts.at: a column is text',
    ],
    [
      'a type that is SQL',
      { ...COLUMNS, at: 'text); drop table x; --' },
      'counts.at: a column is text',
    ],
    ['a column of Postgres', { ...COLUMNS, xmin: 'integer' }, 'counts.xmin: Postgres has a column'],
    ['no column for the key', { count: 'integer' }, 'counts has no column id for its key'],
    ['a key that may be null', { id: 'text null' }, 'counts.id: a key is text'],
    ['a key of a type without an order', { id: 'jsonb' }, 'counts.id: a key is text'],
    ['a column in capitals', { ...COLUMNS, At: 'text' }, '"At" is not a lower-case SQL identifier'],
    [
      'a column that no object has',
      { ...COLUMNS, ['__proto__']: 'text' },
      'counts.__proto__: JavaScript has no column of this name in a row',
    ],
  ] as const)('%s', ([, columns, message]) => {
    expect(() => table(columns)).toThrow(message)
  })
})
