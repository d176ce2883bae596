import type { Row } from '@fairlead/projection'
import { expect, test } from 'vitest'
import { type RowCache, RowCaches, type RowUse } from './row-cache.ts'

const TABLE = {
  name: 'note',
  keyColumn: 'id',
  columns: { id: 'text', pages: 'integer', at: 'timestamptz null' },
}
const SILENT = { used: (_use: RowUse) => undefined, stale: () => undefined }

const note = (id: string, changes: Row = {}): Row => ({ id, pages: 1, at: new Date(0), ...changes })

function write(cache: RowCache, ids: readonly string[], changes: Row = {}): void {
  cache.stage(new Map(ids.map((id) => [id, note(id, changes)])), 7)
  cache.committed()
}

function opened(bytesMax = 1_000_000) {
  const caches = new RowCaches({ bytesMax })
  const open = (): RowCache => {
    const cache = caches.open(TABLE, SILENT)
    if (cache === undefined) throw new TypeError('notes can be cached')
    return cache
  }
  return { caches, open, cache: open() }
}

const ids = (count: number, prefix = 'n') =>
  Array.from({ length: count }, (_, index) => `${prefix}${index}`)

test('rows are there once their transaction has committed', () => {
  const { cache } = opened()
  cache.stage(new Map([['a', note('a')]]), 7)
  expect(cache.get('a')).toBeUndefined()
  cache.committed()
  expect(cache.get('a')).toMatchObject({ row: note('a'), writtenBy: 7 })
})

test('what a transaction would have written that failed is forgotten with all else', () => {
  const { caches, cache } = opened()
  write(cache, ['a'])
  cache.stage(new Map([['b', note('b')]]), 8)
  cache.clear()
  cache.committed()
  expect([cache.get('a'), cache.get('b'), caches.bytes]).toEqual([undefined, undefined, 0])
})

test('a deleted row is not there any more', () => {
  const { caches, cache } = opened()
  write(cache, ['a'])
  cache.stage(new Map([['a', undefined]]), 8)
  cache.committed()
  expect([cache.get('a'), caches.bytes]).toEqual([undefined, 0])
})

test('rows that were not written for the longest time make room', () => {
  const { caches, cache } = opened(30_000)
  write(cache, ids(50))
  write(cache, ['n0'])
  write(cache, ids(60, 'm'))
  expect(caches.bytes).toBeLessThanOrEqual(30_000)
  expect(cache.get('n0')).toBeDefined()
  expect(cache.get('n1')).toBeUndefined()
  expect(cache.get('m59')).toBeDefined()
})

test('partitions share the bound, and one that is idle makes room first', () => {
  const { caches, cache: idle, open } = opened(30_000)
  const busy = open()
  write(idle, ids(60))
  write(busy, ids(60))
  expect(caches.bytes).toBeLessThanOrEqual(30_000)
  expect(busy.get('n0')).toBeDefined()
  expect(idle.get('n0')).toBeUndefined()
  expect(idle.get('n59')).toBeDefined()
})

test('a value that would be read as another one is not kept', () => {
  const { cache } = opened()
  for (const changes of [{ pages: '1' }, { pages: -0 }, { id: '\ud800' }, { at: 'now' }]) {
    write(cache, ['a'], changes)
    expect(cache.get('a')).toBeUndefined()
  }
  write(cache, ['a'], { at: null })
  expect(cache.get('a')).toBeDefined()
})

test('a uuid that is not spelled as Postgres has it is not kept', () => {
  const table = { name: 'note', keyColumn: 'id', columns: { id: 'uuid', pages: 'integer' } }
  const cache = new RowCaches({ bytesMax: 1_000_000 }).open(table, SILENT)
  const id = 'ABCDEF00-0000-4000-8000-000000000000'
  cache?.stage(new Map([[id, { id, pages: 1 }]]), 7)
  cache?.committed()
  expect(cache?.get(id)).toBeUndefined()
})

test('columns whose values are read in another form leave a table without a cache', () => {
  const caches = new RowCaches({ bytesMax: 1_000_000 })
  for (const type of ['jsonb', 'numeric', 'date null', 'bytea']) {
    const table = { name: 'note', keyColumn: 'id', columns: { id: 'text', value: type } }
    expect(caches.open(table, SILENT)).toBeUndefined()
  }
  expect(new RowCaches({ bytesMax: 0 }).open(TABLE, SILENT)).toBeUndefined()
})
