import { expect, test } from 'vitest'
import { Turns } from './turns.ts'

test('a turn that is free is taken at once, and handed on in the order of asking', async () => {
  const turns = new Turns()
  expect(turns.takeNow()).toBe(true)
  expect(turns.takeNow()).toBe(false)
  const order: string[] = []
  const second = turns.take().then(() => order.push('second'))
  const third = turns.take().then(() => order.push('third'))
  turns.end()
  await second
  // It is somebody's: nobody comes in between.
  expect(turns.takeNow()).toBe(false)
  expect(order).toEqual(['second'])
  turns.end()
  await third
  turns.end()
  expect(turns.takeNow()).toBe(true)
})
