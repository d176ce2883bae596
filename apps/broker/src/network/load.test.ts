import { expect, test } from 'vitest'
import { Load } from './load.ts'

const limits = { queuedRequestsMax: 3, unsentBytesMax: 100 }

test.for([
  {
    what: 'queued requests',
    raise: (load: Load) => load.changeQueuedRequests(3),
    lower: (load: Load) => load.changeQueuedRequests(-1),
  },
  {
    what: 'unsent bytes',
    raise: (load: Load) => load.changeUnsentBytes(100),
    lower: (load: Load) => load.changeUnsentBytes(-1),
  },
  {
    what: 'memory that is short',
    raise: (load: Load) => (load.isMemoryShort = true),
    lower: (load: Load) => (load.isMemoryShort = false),
  },
])('who waits because of $what goes on once it is over, and once', ({ raise, lower }) => {
  const load = new Load(limits)
  expect(load.isHigh).toBe(false)
  raise(load)
  expect(load.isHigh).toBe(true)
  let wakeUps = 0
  const goOn = (): void => {
    wakeUps += 1
  }
  load.whenLow(goOn)
  load.whenLow(goOn)
  expect(wakeUps).toBe(0)
  lower(load)
  expect([load.isHigh, wakeUps]).toEqual([false, 1])
})

test('one cause that is over does not wake while another one lasts', () => {
  const load = new Load(limits)
  load.isMemoryShort = true
  load.changeUnsentBytes(200)
  let isAwake = false
  load.whenLow(() => (isAwake = true))
  load.isMemoryShort = false
  expect(isAwake).toBe(false)
  load.changeUnsentBytes(-150)
  expect(isAwake).toBe(true)
})

test('who left is not woken', () => {
  const load = new Load(limits)
  load.isMemoryShort = true
  let isAwake = false
  const goOn = (): void => {
    isAwake = true
  }
  load.whenLow(goOn)
  load.forget(goOn)
  load.isMemoryShort = false
  expect(isAwake).toBe(false)
})
