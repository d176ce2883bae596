import { type LogWatcher } from '@fairlead/log'
import { describe, expect, test } from 'vitest'
import { Departure } from '../network/departure.ts'
import { DelayedFetches } from './delayed-fetches.ts'

/** Timers that run when told to. */
function manualTimers() {
  const pending: { readonly delayMs: number; readonly callback: () => void }[] = []
  return {
    pending,
    after: (delayMs: number, callback: () => void) => {
      const timer = { delayMs, callback }
      pending.push(timer)
      return () => {
        const index = pending.indexOf(timer)
        if (index >= 0) pending.splice(index, 1)
      }
    },
    /** Runs what is due at once: the next turn of the event loop. */
    async turn() {
      const due = pending.filter(({ delayMs }) => delayMs === 0)
      for (const timer of due) {
        pending.splice(pending.indexOf(timer), 1)
        timer.callback()
      }
      await settle()
    },
  }
}

async function settle(): Promise<void> {
  for (let step = 0; step < 5; step += 1) await Promise.resolve()
}

function fakeLog() {
  const watchers = new Set<LogWatcher>()
  const log = {
    readableBytes: 0,
    watcherCount: () => watchers.size,
    watch: (watcher: LogWatcher) => {
      watchers.add(watcher)
      return () => watchers.delete(watcher)
    },
    append(bytes: number) {
      log.readableBytes += bytes
      for (const watcher of watchers) watcher.onReadable(bytes)
    },
    end() {
      for (const watcher of watchers) watcher.onChanged()
    },
  }
  return log
}

function setUp() {
  const timers = manualTimers()
  const fetches = new DelayedFetches(timers)
  const wait = (
    log: ReturnType<typeof fakeLog>,
    missingBytes: number,
    departure = new Departure(),
  ) => {
    const state = { isOver: false }
    void fetches
      .waitForBytes([{ log, seenBytes: 0 }], missingBytes, { delayMs: 500, departure })
      .then(() => (state.isOver = true))
    return state
  }
  return { timers, fetches, wait, log: fakeLog() }
}

describe('a fetch that waits', () => {
  test('is woken by the append that brings the last byte it lacks, not before', async () => {
    const { wait, log } = setUp()
    const fetch = wait(log, 10)
    log.append(9)
    await settle()
    expect(fetch.isOver).toBe(false)
    log.append(1)
    await settle()
    expect(fetch.isOver).toBe(true)
  })

  test('does not miss what was appended between its read and its wait', async () => {
    const { wait, log } = setUp()
    log.append(10)
    const fetch = wait(log, 10)
    await settle()
    expect(fetch.isOver).toBe(true)
  })

  test.for([
    ['the log ends', ({ log }) => log.end()],
    [
      'its time is over',
      ({ timers }) => timers.pending.find(({ delayMs }) => delayMs > 0)?.callback(),
    ],
    ['the broker stops', ({ fetches }) => fetches.stop()],
  ] as const satisfies readonly (readonly [string, (parts: ReturnType<typeof setUp>) => void])[])(
    'is woken when %s, and leaves nothing behind',
    async ([, happen]) => {
      const parts = setUp()
      const fetch = parts.wait(parts.log, 10)
      expect(parts.fetches.count).toBe(1)
      happen(parts)
      await settle()
      expect(fetch.isOver).toBe(true)
      expect(parts.fetches.count).toBe(0)
      expect(parts.log.watcherCount()).toBe(0)
      expect(parts.timers.pending.filter(({ delayMs }) => delayMs > 0)).toEqual([])
    },
  )

  test('is woken when its client leaves', async () => {
    const { wait, log } = setUp()
    const departure = new Departure()
    const fetch = wait(log, 10, departure)
    departure.announce()
    await settle()
    expect(fetch.isOver).toBe(true)
  })
})

test('10,000 fetches that one append wakes go on in their order, a few in each turn', async () => {
  const { timers, fetches, log } = setUp()
  const order: number[] = []
  for (let index = 0; index < 10_000; index += 1) {
    void fetches
      .waitForBytes([{ log, seenBytes: 0 }], 1, { delayMs: 500, departure: new Departure() })
      .then(() => order.push(index))
  }
  log.append(1)
  await settle()
  let largestTurn = order.length
  for (let turns = 0; order.length < 10_000; turns += 1) {
    expect(turns).toBeLessThan(10_000 / 10)
    const before = order.length
    await timers.turn()
    largestTurn = Math.max(largestTurn, order.length - before)
  }
  expect(largestTurn).toBeLessThanOrEqual(64)
  expect(order).toEqual(Array.from({ length: 10_000 }, (_, index) => index))
})
