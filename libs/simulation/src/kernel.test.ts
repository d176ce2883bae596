import { expect, test } from 'vitest'
import { Kernel, type SimulatedLife } from './kernel.ts'
import { NotSimulated } from './poisoned-globals.ts'

test('events happen in the order of their times, and of their plans within one time', () => {
  const kernel = new Kernel(1)
  const happened: string[] = []
  const plan = (delayMs: number, label: string) =>
    kernel.after(delayMs, label, () => happened.push(`${label} at ${kernel.nowMs}`))
  plan(5, 'c')
  plan(1, 'a')
  plan(5, 'd')
  plan(2, 'b')
  kernel.run({ untilMs: 10 })
  expect(happened).toEqual(['a at 1', 'b at 2', 'c at 5', 'd at 5'])
  expect(kernel.nowMs).toBe(10)
})

test('a thousand events in random order happen in order', () => {
  const kernel = new Kernel(3)
  let lastMs = 0
  for (let count = 0; count < 1000; count += 1) {
    kernel.after(kernel.random.int(300), 'event', () => {
      expect(kernel.nowMs).toBeGreaterThanOrEqual(lastMs)
      lastMs = kernel.nowMs
    })
  }
  kernel.run({ untilMs: 300 })
  expect(kernel.eventCount).toBe(1000)
})

test('what is cancelled, or planned by a life that ended, does not happen', () => {
  const kernel = new Kernel(1)
  const happened: string[] = []
  const life: SimulatedLife = kernel.life()
  const cancel = kernel.after(1, 'cancelled', () => happened.push('cancelled'))
  life.after(5, () => happened.push('early'))
  life.after(9, () => happened.push('late'))
  kernel.after(6, 'end', () => life.end())
  cancel()
  kernel.run({ untilMs: 10 })
  expect(happened).toEqual(['early'])
})

test('the clocks of a life begin with it', () => {
  const kernel = new Kernel(1)
  kernel.run({ untilMs: 500 })
  const life = kernel.life()
  kernel.run({ untilMs: 750 })
  expect(life.nowMs()).toBe(250)
  expect(life.wallNowMs() % 1000).toBe(750)
})

test('a run that does not end is a finding', () => {
  const kernel = new Kernel(1)
  const again = (): void => {
    kernel.after(0, 'again', again)
  }
  again()
  expect(() => kernel.run({ untilMs: 1, eventsMax: 100 })).toThrow('no more than 100 events')
  expect(kernel.recent.at(-1)).toEqual({ timeMs: 0, label: 'again' })
})

/** Events that plan more events, as the random numbers say. */
function digestOf(seed: number, disturb: (kernel: Kernel) => void = () => {}): string {
  const kernel = new Kernel(seed)
  const happen = (): void => {
    if (kernel.eventCount > 500) return
    kernel.after(kernel.random.int(20), 'first', happen)
    if (kernel.random.chance(0.2)) kernel.after(kernel.random.int(9), 'second', happen)
    if (kernel.eventCount === 250) disturb(kernel)
  }
  kernel.after(0, 'start', happen)
  kernel.run({ untilMs: 100_000 })
  return kernel.trace.digest
}

test('a seed replays exactly, and another seed does something else', () => {
  expect(digestOf(1)).toBe(digestOf(1))
  expect(digestOf(1)).not.toBe(digestOf(2))
})

test('one event more, or a little later, is another trace', () => {
  const extra = digestOf(1, (kernel) => kernel.after(0, 'extra', () => {}))
  const later = digestOf(1, (kernel) => kernel.after(0.01, 'extra', () => {}))
  expect(new Set([digestOf(1), extra, later]).size).toBe(3)
})

test.for([
  ['Date.now', () => Date.now()],
  ['new Date()', () => new Date()],
  ['performance.now', () => performance.now()],
  ['process.hrtime', () => process.hrtime()],
  ['Math.random', () => Math.random()],
  ['crypto.getRandomValues', () => crypto.getRandomValues(new Uint8Array(1))],
  ['setTimeout', () => setTimeout(() => {}, 0)],
  ['setInterval', () => setInterval(() => {}, 1)],
  ['setImmediate', () => setImmediate(() => {})],
  ['queueMicrotask', () => queueMicrotask(() => {})],
  ['process.nextTick', () => process.nextTick(() => {})],
  ['Promise', () => Promise.resolve(1)],
] as const)('%s throws during a run, and works again after it', ([name, use]) => {
  const kernel = new Kernel(1)
  kernel.after(1, 'use', () => void use())
  const run = () => kernel.run({ untilMs: 5 })
  expect(run).toThrow(NotSimulated)
  expect(run).not.toThrow()
  kernel.after(1, 'use', () => void use())
  expect(() => kernel.run({ untilMs: 9 })).toThrow(name)
  const undo = use()
  clearTimeout(undo as unknown as NodeJS.Timeout)
  clearImmediate(undo as unknown as NodeJS.Immediate)
})

test('a date of a given time is no clock', () => {
  const kernel = new Kernel(1)
  let text = ''
  kernel.after(1, 'date', () => {
    text = new Date(0).toISOString()
  })
  kernel.run({ untilMs: 5 })
  expect(text).toBe('1970-01-01T00:00:00.000Z')
})
