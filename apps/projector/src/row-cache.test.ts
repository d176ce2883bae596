import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import type { Row } from '@fairlead/projection'
import { expect, test } from 'vitest'
import { type RowCache, RowCaches } from './row-cache.ts'
import type { BatchUse } from './row-reuse.ts'

const TABLE = {
  name: 'note',
  keyColumn: 'id',
  columns: { id: 'text', pages: 'integer', at: 'timestamptz null' },
}
const SILENT = { used: (_use: BatchUse) => undefined, stale: () => undefined }

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

test('where rows do not come again, those in memory are let go, and what batches do is told as before', () => {
  const told: (BatchUse & { readonly isOff: boolean })[] = []
  const caches = new RowCaches({ bytesMax: 1_000_000 })
  const cache = caches.open(TABLE, { ...SILENT, used: (use) => void told.push(use) })
  if (cache === undefined) throw new TypeError('notes can be cached')
  const use = { rowCount: 1_000, existingCount: 100, hitCount: 0 }
  cache.use(use)
  cache.stage(new Map(ids(100).map((id) => [id, note(id)])), 7)
  cache.committed()
  expect([cache.isKeeping, caches.bytes]).toEqual([false, 0])
  cache.use(use)
  cache.committed()
  expect(told).toEqual([
    { ...use, isOff: false },
    { ...use, isOff: true },
  ])
})

test('a batch that fails says nothing about the rows', () => {
  const { cache } = opened()
  cache.use({ rowCount: 1_000, existingCount: 0, hitCount: 0 })
  cache.clear()
  cache.committed()
  expect(cache.isKeeping).toBe(true)
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

test.for([
  { type: 'integer', kept: [1], not: ['1', -0, 1n] },
  { type: 'smallint', kept: [-1], not: ['1', -0] },
  { type: 'bigint', kept: [1n], not: [1, '1'] },
  { type: 'double precision', kept: [0, Number.NaN, Number.POSITIVE_INFINITY], not: [-0, '0.5'] },
  { type: 'boolean', kept: [false], not: ['no', 0] },
  { type: 'text', kept: ['', '\u{1f600}'], not: ['\ud800', 1, new Date(0)] },
  { type: 'timestamptz', kept: [new Date(0)], not: ['now', 0] },
])('of a column of type $type, a value that would be read as another one is not kept', (of) => {
  const table = { name: 'note', keyColumn: 'id', columns: { id: 'text', value: of.type } }
  const cache = new RowCaches({ bytesMax: 1_000_000 }).open(table, SILENT)
  const isKept = (value: unknown): boolean => {
    cache?.stage(new Map([['a', { id: 'a', value }]]), 7)
    cache?.committed()
    return cache?.get('a') !== undefined
  }
  expect(of.kept.map(isKept)).toEqual(of.kept.map(() => true))
  expect(of.not.map(isKept)).toEqual(of.not.map(() => false))
  expect(isKept(null)).toBe(true)
})

test.for(['numeric', 'date', 'jsonb', 'bytea'])('of a table with a %s no row is kept', (type) => {
  const table = { name: 'note', keyColumn: 'id', columns: { id: 'text', value: type } }
  expect(new RowCaches({ bytesMax: 1_000_000 }).open(table, SILENT)).toBeUndefined()
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

const PREVIEWS = {
  name: 'preview',
  keyColumn: 'id',
  columns: { id: 'text', text: 'text', author: 'text null' },
}

function openedForPreviews(bytesMax: number) {
  const caches = new RowCaches({ bytesMax })
  const cache = caches.open(PREVIEWS, SILENT)
  if (cache === undefined) throw new TypeError('previews can be cached')
  const writeRows = (rows: readonly Row[]): void => {
    cache.stage(new Map(rows.map((row) => [String(row['id']), row])), 7)
    cache.committed()
  }
  return { caches, cache, writeRows }
}

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

function heapBytes(): number {
  collectGarbage()
  return process.memoryUsage().heapUsed
}

test('a row keeps nothing of the texts that its own were cut from', () => {
  const { cache, writeRows } = openedForPreviews(8_000_000)
  const bytesBefore = heapBytes()
  for (let batch = 0; batch < 40; batch += 1) {
    writeRows(
      ids(1_000, `batch-${batch}-row-`).map((id, index) => {
        const body = Buffer.alloc(10_000, 97 + (index % 26)).toString('latin1')
        return { id, text: body.slice(0, 100), author: body.slice(100, 120) }
      }),
    )
  }
  expect(heapBytes() - bytesBefore).toBeLessThan(40_000_000)
  expect(cache.get('batch-39-row-999')?.row).toEqual({
    id: 'batch-39-row-999',
    text: 'l'.repeat(100),
    author: 'l'.repeat(20),
  })
})

test('texts are kept as they are, in whatever script, and when they are written again', () => {
  const { cache, writeRows } = openedForPreviews(1_000_000)
  const id = 'a key of its own'
  for (const text of [
    'short',
    'Fairlead and more',
    'Zürich, ÿ'.repeat(3),
    'Καλημέρα 🌍'.repeat(3),
  ]) {
    for (const author of [null, 'Αριστοτέλης ο Σταγειρίτης', 'somebody of the port']) {
      const row = { id, text, author }
      writeRows([row])
      expect(cache.get(id)?.row).toEqual({ id, text, author })
      expect(row).toEqual({ id, text, author })
    }
  }
})

test('a character that takes two bytes counts as two', () => {
  const sizeOf = (text: string): number => {
    const { caches, writeRows } = openedForPreviews(1_000_000)
    writeRows([{ id: 'a', text, author: null }])
    return caches.bytes
  }
  const narrow = sizeOf('a'.repeat(10_000))
  expect(sizeOf('ÿ'.repeat(10_000))).toBe(narrow)
  expect(sizeOf('Ā'.repeat(10_000))).toBe(narrow + 10_000)
  expect(sizeOf(`${'a'.repeat(9_999)}\uffff`)).toBe(narrow + 10_000)
})
