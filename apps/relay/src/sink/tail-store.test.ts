import { lsn } from '@fairlead/base'
import { expect, test } from 'vitest'
import { TailStore } from './tail-store.ts'

const position = { commitLsn: lsn(1n), commitIndex: 0 }

test('what was used least lately is forgotten when there are too many positions', () => {
  const store = new TailStore({ positionsMax: 3 })
  const [first, second] = ['a', 'b'].map((topic) => store.of('s', topic, 0))
  for (const progress of [first, second]) {
    progress?.add({ positions: [position, position], sizeBytes: 0 })
  }
  store.of('s', 'c', 0)
  expect(store.of('s', 'b', 0)).toBe(second)
  expect(store.of('s', 'a', 0)).not.toBe(first)
})

test('positions that are dropped make room', () => {
  const store = new TailStore({ positionsMax: 3 })
  const first = store.of('s', 'a', 0)
  first.add({ positions: [position, position, position], sizeBytes: 0 })
  first.reach(1_000_000)
  const second = store.of('s', 'b', 0)
  second.add({ positions: [position, position], sizeBytes: 0 })
  expect(store.of('s', 'a', 0)).toBe(first)
  expect(store.of('s', 'b', 0)).toBe(second)
})

test('of too many partitions the one that was used least lately is forgotten', () => {
  const store = new TailStore({ placesMax: 2 })
  const [first, second] = ['a', 'b'].map((topic) => store.of('s', topic, 0))
  store.of('s', 'a', 0)
  store.of('s', 'c', 0)
  expect(store.of('s', 'a', 0)).toBe(first)
  expect(store.of('s', 'b', 0)).not.toBe(second)
})

test('partitions of other sources and topics are others, and so is one that was created anew', () => {
  const store = new TailStore()
  const known = store.of('s', 'a', 0)
  expect(store.of('s', 'a', 1)).not.toBe(known)
  expect(store.of('other', 'a', 0)).not.toBe(known)
  expect(store.of('s', 'a', 0)).toBe(known)
  store.forget('s', 'a', 0)
  const anew = store.of('s', 'a', 0)
  expect(anew).not.toBe(known)
  store.clear()
  expect(store.of('s', 'a', 0)).not.toBe(anew)
})
