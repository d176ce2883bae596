import { expect, test } from 'vitest'
import { InlineReads } from './inline-reads.ts'

const MIB = 1_048_576

type Cost = { readonly ms: number; readonly fromDisk?: boolean; readonly isPreempted?: boolean }

/** Reads whose durations and turns the test decides. */
function inlineReads() {
  const state = { nowMs: 0, diskReads: 0, preemptions: 0, turns: [] as (() => void)[] }
  const reads = new InlineReads({
    nowMs: () => state.nowMs,
    usage: () => ({ diskReads: state.diskReads, preemptions: state.preemptions }),
    nextTurn: (callback) => state.turns.push(callback),
  })
  const read = (sizeBytes: number, cost: Cost = { ms: 0 }) =>
    reads.perform(sizeBytes, () => {
      state.nowMs += cost.ms
      state.diskReads += cost.fromDisk === true ? 8 : 0
      state.preemptions += cost.isPreempted === true ? 1 : 0
    })
  const nextTurn = () => {
    for (const turn of state.turns.splice(0)) turn()
  }
  return { reads, state, read, nextTurn }
}

test('a turn of the event loop reads 4 MiB at most, and the next one again', () => {
  const { reads, state, read, nextTurn } = inlineReads()
  for (let count = 0; count < 4; count += 1) {
    expect(reads.admits(MIB)).toBe(true)
    read(MIB)
  }
  expect(reads.admits(1)).toBe(false)
  expect(state.turns).toHaveLength(1)
  nextTurn()
  expect(reads.admits(MIB)).toBe(true)
})

test.for([
  { what: 'waited for the disk', cost: { ms: 5, fromDisk: true }, pauseMs: 500 },
  { what: 'took long and had the processor', cost: { ms: 11 }, pauseMs: 1_100 },
  {
    what: 'waited for the disk and for the processor',
    cost: { ms: 20, fromDisk: true, isPreempted: true },
    pauseMs: 2_000,
  },
  { what: 'waited for very long', cost: { ms: 5_000, fromDisk: true }, pauseMs: 60_000 },
])('after a read that $what the threads have the next ones', ({ cost, pauseMs }) => {
  const { reads, state, read, nextTurn } = inlineReads()
  read(MIB, cost)
  nextTurn()
  state.nowMs += pauseMs - 1
  expect(reads.admits(1)).toBe(false)
  state.nowMs += 1
  expect(reads.admits(1)).toBe(true)
})

test.for([
  { what: 'came from the disk at once', cost: { ms: 1, fromDisk: true } },
  { what: 'took no longer than a wait for the processor', cost: { ms: 10 } },
  { what: 'waited for the processor', cost: { ms: 100, isPreempted: true } },
])('a read that $what changes nothing', ({ cost }) => {
  const { reads, read, nextTurn } = inlineReads()
  read(MIB, cost)
  nextTurn()
  expect(reads.admits(MIB)).toBe(true)
})

test('a read that failed slowly counts like another', () => {
  const { reads, state } = inlineReads()
  const fail = () =>
    reads.perform(1, () => {
      state.nowMs += 30_000
      throw new Error('EIO')
    })
  expect(fail).toThrow('EIO')
  state.nowMs += 59_999
  expect(reads.admits(1)).toBe(false)
})

test('a second read in a row that is taken the processor from has waited for something else', () => {
  const { reads, read, nextTurn } = inlineReads()
  for (const admitted of [true, false]) {
    read(1, { ms: 20, isPreempted: true })
    nextTurn()
    expect(reads.admits(1)).toBe(admitted)
  }
})

test('what was read from the disk long before is not held against a read', () => {
  const { reads, state, read, nextTurn } = inlineReads()
  read(1)
  state.diskReads += 8
  state.nowMs += 101
  read(1, { ms: 5 })
  nextTurn()
  expect(reads.admits(1)).toBe(true)
})
