import { expect, test } from 'vitest'
import { PartitionOrder } from './partition-order.ts'

const never = new Promise<never>(() => {})

test('an append starts at once where nothing is under way', () => {
  const order = new PartitionOrder()
  const started: string[] = []
  void order.run({}, 'a', async (ready) => {
    started.push(ready)
  })
  expect(started).toEqual(['a'])
})

test('what comes behind a batch that is opened elsewhere waits until that one has started', async () => {
  const order = new PartitionOrder()
  const partition = {}
  const started: string[] = []
  const start = async (ready: string): Promise<string> => {
    started.push(ready)
    return ready
  }
  const opened = Promise.withResolvers<string>()
  const first = order.run(partition, opened.promise, start)
  const second = order.run(partition, 'second', start)
  const third = order.run(partition, Promise.resolve('third'), start)
  const other = order.run({}, 'other', start)
  await other
  expect(started).toEqual(['other'])
  opened.resolve('first')
  expect(await Promise.all([first, second, third])).toEqual(['first', 'second', 'third'])
  expect(started).toEqual(['other', 'first', 'second', 'third'])
  expect(order.waitingCount).toBe(0)
})

test('an append that never ends holds up nobody', async () => {
  const order = new PartitionOrder()
  const partition = {}
  void order.run(partition, Promise.resolve(), () => never)
  expect(await order.run(partition, 7, async (ready) => ready)).toBe(7)
})

test('behind a batch that cannot be opened nobody overtakes an earlier one', async () => {
  const order = new PartitionOrder()
  const partition = {}
  const started: string[] = []
  const start = async (ready: string): Promise<void> => {
    started.push(ready)
  }
  const opened = Promise.withResolvers<string>()
  const first = order.run(partition, opened.promise, start)
  const failed = order.run(partition, Promise.reject(new Error('no')), start)
  const third = order.run(partition, 'third', start)
  for (let step = 0; step < 20; step += 1) await Promise.resolve()
  expect(started).toEqual([])
  opened.resolve('first')
  await expect(failed).rejects.toThrow('no')
  await Promise.all([first, third])
  expect(started).toEqual(['first', 'third'])
  expect(order.waitingCount).toBe(0)
})

test('a batch that cannot be opened fails alone', async () => {
  const order = new PartitionOrder()
  const partition = {}
  const first = order.run(partition, Promise.reject(new Error('no')), async () => 1)
  const second = order.run(partition, 2, async (ready) => ready)
  await expect(first).rejects.toThrow('no')
  expect(await second).toBe(2)
  expect(order.waitingCount).toBe(0)
})
