import { expect, test } from 'vitest'
import { METADATA_CHANGES_WAITING_MAX } from '../limits.ts'
import { RequestRefused } from '../network/connection.ts'
import { ChangeQueue } from './change-queue.ts'

test('changes run one after the other, whether the one before failed or not', async () => {
  const queue = new ChangeQueue()
  const steps: string[] = []
  const first = queue.run(async () => {
    steps.push('first begins')
    await Promise.resolve()
    steps.push('first fails')
    throw new Error('failed')
  })
  const second = queue.run(async () => steps.push('second'))
  await expect(first).rejects.toThrow('failed')
  await second
  expect(steps).toEqual(['first begins', 'first fails', 'second'])
})

test('when too many wait, the next one is refused, and later ones are not', async () => {
  const queue = new ChangeQueue()
  const { promise, resolve } = Promise.withResolvers<void>()
  const running = queue.run(() => promise)
  await Promise.resolve()
  const waiting = Array.from({ length: METADATA_CHANGES_WAITING_MAX }, () =>
    queue.run(() => Promise.resolve('done')),
  )
  await expect(queue.run(() => Promise.resolve())).rejects.toThrow(RequestRefused)
  resolve()
  await running
  expect(await Promise.all(waiting)).toHaveLength(METADATA_CHANGES_WAITING_MAX)
  expect(await queue.run(() => Promise.resolve('again'))).toBe('again')
  await queue.idle()
})
