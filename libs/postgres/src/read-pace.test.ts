import { Readable } from 'node:stream'
import { setImmediate as turn } from 'node:timers/promises'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { ReadPace } from './read-pace.ts'

const ROW = Buffer.alloc(50)

let isFlowing: boolean
let pace: ReadPace

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
  isFlowing = true
  pace = new ReadPace({
    readableLength: 0,
    pause: () => (isFlowing = false),
    resume: () => (isFlowing = true),
  })
})

afterEach(() => vi.useRealTimers())

function read(count: number, apartMs = 0): void {
  for (let index = 0; index < count; index += 1) {
    pace.received(performance.now(), ROW.length)
    vi.advanceTimersByTime(apartMs)
  }
}

test('rows that come one by one are read when they come', () => {
  for (let index = 0; index < 50; index += 1) {
    read(1, 3)
    expect(isFlowing).toBe(true)
  }
})

test('a busy stream is left alone for a millisecond, again and again', () => {
  read(4)
  for (let round = 0; round < 5; round += 1) {
    expect(isFlowing).toBe(false)
    vi.advanceTimersByTime(1)
    expect(isFlowing).toBe(true)
    read(1)
  }
  // It pauses: the next read is one that comes alone.
  vi.advanceTimersByTime(10)
  read(1)
  expect(isFlowing).toBe(true)
})

test('a stream that its reader has paused stays so, busy or not', () => {
  read(4)
  pace.pause()
  vi.advanceTimersByTime(5)
  expect(isFlowing).toBe(false)
  pace.resume()
  expect(isFlowing).toBe(true)
  pace.pause()
  read(4)
  pace.resume()
  expect(isFlowing).toBe(false)
  vi.advanceTimersByTime(1)
  expect(isFlowing).toBe(true)
})

test('at its end nothing is held back', () => {
  read(4)
  pace.end()
  expect(isFlowing).toBe(true)
  read(10)
  expect(isFlowing).toBe(true)
})

test('what comes in while a stream is left alone is read at once', async () => {
  const stream = new Readable({ read: () => undefined })
  const paced = new ReadPace(stream)
  let rowCount = 0
  stream.on('data', (bytes: Buffer) => {
    rowCount += 1
    paced.received(performance.now(), bytes.length)
  })
  const send = async (count: number) => {
    for (let index = 0; index < count; index += 1) stream.push(ROW)
    await turn()
  }
  await send(4)
  expect(stream.isPaused()).toBe(true)
  for (let round = 1; round <= 3; round += 1) {
    await send(100)
    vi.advanceTimersByTime(1)
    await turn()
    expect(rowCount).toBe(4 + 100 * round + (round - 1))
    // The first one behind them tells that the stream is busy still.
    await send(1)
    expect(stream.isPaused()).toBe(true)
  }
})
