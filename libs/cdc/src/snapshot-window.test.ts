import fc from 'fast-check'
import { expect, test } from 'vitest'
import { SnapshotWindow } from './snapshot-window.ts'

function opened(rows: readonly (readonly [string, string])[], running: readonly number[] = []) {
  const window = new SnapshotWindow<string>()
  window.begin('c')
  window.lowSeen('c')
  window.read(new Map(rows), new Set(running))
  return window
}

test('rows that nothing replaces are emitted at the high watermark, in their order', () => {
  const window = opened([
    ['b', 'B'],
    ['a', 'A'],
  ])
  expect(window.highSeen('c')).toEqual({ kind: 'emit', rows: ['B', 'A'] })
  expect(window.highSeen('c')).toBeUndefined()
})

test('a row that the log brings between the watermarks replaces that of the chunk', () => {
  const window = new SnapshotWindow<string>()
  window.begin('c')
  window.rowSeen('a')
  window.lowSeen('c')
  window.rowSeen('b')
  window.read(new Map(['a', 'b', 'c'].map((key) => [key, key])), new Set())
  window.rowSeen('c')
  expect(window.highSeen('c')).toEqual({ kind: 'emit', rows: ['a'] })
})

test('a change that does not tell its rows spoils the chunk from its low watermark on', () => {
  const before = new SnapshotWindow<string>()
  before.begin('c')
  before.unknownRowsSeen('a truncate')
  before.lowSeen('c')
  before.read(new Map([['a', 'A']]), new Set())
  expect(before.highSeen('c')?.kind).toBe('emit')
  const within = opened([['a', 'A']])
  within.unknownRowsSeen('a truncate')
  expect(within.highSeen('c')).toEqual({ kind: 'reread', reason: 'a truncate' })
})

test('watermarks of other chunks, and of a former attempt, mean nothing', () => {
  const window = opened([['a', 'A']])
  window.lowSeen('other')
  expect(window.highSeen('other')).toBeUndefined()
  window.begin('d')
  expect(window.highSeen('c')).toBeUndefined()
})

test('a transaction that was in the log before the low watermark, and ran when the chunk was read, spoils it', () => {
  const window = new SnapshotWindow<string>()
  window.transactionSeen(7)
  window.begin('c')
  window.lowSeen('c')
  window.transactionSeen(8)
  window.read(new Map([['a', 'A']]), new Set([7, 8, 9]))
  expect(window.highSeen('c')).toEqual({
    kind: 'reread',
    reason: 'transaction 7 was committed and not visible yet',
  })
})

test('more changes than are remembered spoil a chunk', () => {
  const window = opened([['a', 'A']])
  for (let key = 0; key <= 100_000; key += 1) window.rowSeen(`${key}`)
  expect(window.highSeen('c')?.kind).toBe('reread')
})

/** What happens in the database, one step after the other. */
type Step =
  | { readonly kind: 'commit'; readonly key: number; readonly isDelete: boolean }
  | { readonly kind: 'becomeVisible'; readonly which: number }
  | { readonly kind: 'snapshot' }

const steps = fc.array(
  fc.oneof(
    {
      weight: 4,
      arbitrary: fc.record({
        kind: fc.constant('commit' as const),
        key: fc.nat(7),
        isDelete: fc.boolean(),
      }),
    },
    {
      weight: 4,
      arbitrary: fc.record({ kind: fc.constant('becomeVisible' as const), which: fc.nat(5) }),
    },
    { weight: 3, arbitrary: fc.record({ kind: fc.constant('snapshot' as const) }) },
  ),
  { minLength: 20, maxLength: 120 },
)

type Entry =
  | {
      readonly kind: 'transaction'
      readonly xid: number
      readonly key: string
      readonly version: number | null
    }
  | { readonly kind: 'low' | 'high'; readonly chunkId: string }

/** Commits are in the log at once, and visible to readers later, in any order. A snapshot takes three steps. */
function play(all: readonly Step[]) {
  const log: Entry[] = []
  const visible = new Map<string, { readonly xid: number; readonly version: number | null }>()
  // Rows from before the log.
  for (let key = 0; key < 8; key += 1) visible.set(`k${key}`, { xid: -1, version: -1 })
  const invisible: (Entry & { readonly kind: 'transaction' })[] = []
  const window = new SnapshotWindow<{ readonly key: string; readonly version: number }>()
  const consumer = new Map<string, number | null>()
  const emitted = new Set<string>()
  let consumed = 0
  let chunk: { readonly chunkId: string; phase: 'low' | 'read' } | undefined
  const show = (index: number) => {
    const [shown] = invisible.splice(index, 1)
    if (shown !== undefined && (visible.get(shown.key)?.xid ?? -1) < shown.xid) {
      visible.set(shown.key, { xid: shown.xid, version: shown.version })
    }
  }
  const consume = () => {
    for (; consumed < log.length; consumed += 1) {
      const entry = log[consumed]
      if (entry?.kind === 'transaction') {
        window.transactionSeen(entry.xid)
        window.rowSeen(entry.key)
        consumer.set(entry.key, entry.version)
      } else if (entry?.kind === 'low') window.lowSeen(entry.chunkId)
      else if (entry?.kind === 'high') {
        const closed = window.highSeen(entry.chunkId)
        if (closed?.kind !== 'emit') continue
        for (const { key, version } of closed.rows) {
          consumer.set(key, version)
          emitted.add(key)
        }
      }
    }
  }
  const advance = () => {
    if (chunk === undefined) {
      chunk = { chunkId: `c${log.length}`, phase: 'low' }
      window.begin(chunk.chunkId)
      log.push({ kind: 'low', chunkId: chunk.chunkId })
    } else if (chunk.phase === 'low') {
      const rows = [...visible].flatMap(([key, { version }]) =>
        version === null ? [] : [[key, { key, version }] as const],
      )
      window.read(new Map(rows), new Set(invisible.map(({ xid }) => xid)))
      chunk.phase = 'read'
    } else {
      log.push({ kind: 'high', chunkId: chunk.chunkId })
      chunk = undefined
    }
  }
  for (const [index, step] of all.entries()) {
    if (step.kind === 'commit') {
      const version = step.isDelete ? null : index
      const entry = { kind: 'transaction' as const, xid: index, key: `k${step.key}`, version }
      // Two transactions on one row: the second waits until the first is visible.
      const held = invisible.findIndex(({ key }) => key === entry.key)
      if (held >= 0) show(held)
      log.push(entry)
      invisible.push(entry)
    } else if (step.kind === 'becomeVisible') show(step.which % Math.max(1, invisible.length))
    else advance()
    if (index % 3 === 0) consume()
  }
  while (invisible.length > 0) show(0)
  const isOpen = () => chunk !== undefined
  while (isOpen()) advance()
  for (let last = 0; last < 3; last += 1) advance()
  consume()
  return { consumer, emitted, visible }
}

test('whatever is committed meanwhile, and however late it is visible, the last state of a key is the committed one', () => {
  fc.assert(
    fc.property(steps, (all) => {
      const { consumer, emitted, visible } = play(all)
      for (const [key, { version }] of visible) {
        expect(consumer.get(key)).toBe(version)
        expect(version === null || emitted.has(key)).toBe(true)
      }
    }),
    { numRuns: 2_000 },
  )
})
