import { defineEvents } from '@fairlead/avro'
import { describe, expect, test } from 'vitest'
import { defineProjection } from './definition.ts'
import { definitionText } from './definition-text.ts'
import { type Table, tables } from './table.ts'

type ReadModel = {
  task: { id: string; owner: string | null; open: boolean; due_at: Date; tags: { name: string }[] }
}
const COLUMNS = {
  id: 'text',
  owner: 'text null',
  open: 'boolean',
  due_at: 'timestamptz',
  tags: 'jsonb',
} as const

const t = tables<ReadModel>()

/** What types refuse: a definition in JavaScript gets as far as the checks. */
const withOptions = tables() as unknown as (
  name: string,
  keyColumn: string,
  columns: Readonly<Record<string, string>>,
  options: unknown,
) => Table

test('indexes get names by which their definitions are told apart', () => {
  const { indexes, fillfactor } = t('task', 'id', COLUMNS, {
    indexes: [
      { columns: ['owner', 'due_at'] },
      { columns: ['owner', 'due_at'], where: 'open' },
      { columns: ['tags'], using: 'gin' },
    ],
    fillfactor: 80,
  })
  expect(fillfactor).toBe(80)
  expect(indexes).toMatchObject([
    { columns: ['owner', 'due_at'], using: 'btree' },
    { columns: ['owner', 'due_at'], using: 'btree', where: 'open' },
    { columns: ['tags'], using: 'gin' },
  ])
  const names = indexes?.map(({ name }) => name) ?? []
  expect(new Set(names).size).toBe(3)
  for (const name of names) expect(name).toMatch(/^task_(?:owner_due_at|tags)_[0-9a-f]{8}$/)
})

test('a name has the length that Postgres leaves whole', () => {
  const column = 'c'.repeat(63)
  const other = { columns: [column, 'id'] }
  const { indexes = [] } = withOptions(
    'n'.repeat(63),
    'id',
    { id: 'text', [column]: 'text' },
    { indexes: [{ columns: [column] }, other] },
  )
  expect(indexes.map(({ name }) => name.length)).toEqual([63, 63])
  expect(indexes[0]?.name).not.toBe(indexes[1]?.name)
})

test('neither indexes nor a fillfactor are part of the code of a version', () => {
  const Events = defineEvents({
    topic: 'task',
    key: 'id',
    events: {
      Opened: { type: 'record', name: 'Opened', fields: [{ name: 'id', type: 'string' }] },
    },
  })
  const define = (into: ReturnType<typeof t<'task', 'id'>>) =>
    defineProjection({ name: 'tasks', version: 1, from: Events, into }).fold({
      initial: (id) => ({ id, owner: null, open: true, due_at: new Date(0), tags: [] }),
      on: {},
    })
  const options = { indexes: [{ columns: ['owner'] }], fillfactor: 80 } as const
  expect(definitionText(define(t('task', 'id', COLUMNS, options)))).toBe(
    definitionText(define(t('task', 'id', COLUMNS))),
  )
})

test('a column that the table does not have does not compile', () => {
  const mistakes = (): void => {
    // @ts-expect-error -- no such column
    t('task', 'id', COLUMNS, { indexes: [{ columns: ['ownr'] }] })
    // @ts-expect-error -- an index has columns
    t('task', 'id', COLUMNS, { indexes: [{ columns: [] }] })
    // @ts-expect-error -- nor can it be unique
    t('task', 'id', COLUMNS, { indexes: [{ columns: ['owner'], unique: true }] })
    // @ts-expect-error -- no such method
    t('task', 'id', COLUMNS, { indexes: [{ columns: ['owner'], using: 'tree' }] })
  }
  expect(mistakes).toBeTypeOf('function')
})

describe('a table is refused with', () => {
  test.for([
    [
      'an index of a column that is not there',
      { indexes: [{ columns: ['ownr'] }] },
      'task has no column ownr for an index: its columns are id, owner, open, due_at, tags',
    ],
    ['an index of nothing', { indexes: [{ columns: [] }] }, 'has from 1 to 32 columns'],
    ['an index of a text', { indexes: ['owner'] }, 'task: an index is an object'],
    ['indexes that are none', { indexes: 'owner' }, 'task: indexes is an array'],
    [
      'a column twice in an index',
      { indexes: [{ columns: ['owner', 'owner'] }] },
      'the column owner twice',
    ],
    [
      'an index twice',
      { indexes: [{ columns: ['owner'] }, { columns: ['owner'] }] },
      'task: the index on (owner) is there twice',
    ],
    [
      'a unique index',
      { indexes: [{ columns: ['owner'], unique: true }] },
      'task: an index cannot be unique: which of two rows',
    ],
    ['something else', { indexes: [{ columns: ['owner'], order: 'desc' }] }, 'has no "order"'],
    ['another option', { index: [] }, 'a table has indexes and a fillfactor, and no "index"'],
    [
      'a method that there is not',
      { indexes: [{ columns: ['owner'], using: 'gist' }] },
      'an index is btree, hash, gin, brin, not gist',
    ],
    [
      'a method that a type does not have',
      { indexes: [{ columns: ['owner'], using: 'gin' }] },
      'task.owner is text, of which there is no index using gin',
    ],
    [
      'ranges of a type without them',
      { indexes: [{ columns: ['open'], using: 'brin' }] },
      'task.open is boolean, of which there is no index using brin',
    ],
    [
      'a hash of two columns',
      { indexes: [{ columns: ['id', 'owner'], using: 'hash' }] },
      'an index using hash has one column',
    ],
    ['an empty condition', { indexes: [{ columns: ['owner'], where: ' ' }] }, 'a condition in SQL'],
    ['pages that are hardly filled', { fillfactor: 9 }, 'a fillfactor is from 10 to 100, not 9'],
    ['half a per cent', { fillfactor: 50.5 }, 'a fillfactor is from 10 to 100, not 50.5'],
  ] as const)('%s', ([, options, message]) => {
    expect(() => withOptions('task', 'id', COLUMNS, options)).toThrow(message)
  })
})
