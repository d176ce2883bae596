import { expect, test } from 'vitest'
import { WrittenEvents } from './written-events.ts'

const event = { topic: 'outbox.event.order', key: 'abc', type: 'OrderPlaced', data: {} }

test('a transaction has the events that were appended to it, before it was asked about and after', () => {
  const written = new WrittenEvents()
  written.of('7').add([event])
  written.of('8').add([event, event])
  const asked = written.of('7')
  written.of('7').add([event])
  expect(asked.topics).toEqual(
    new Map([[event.topic, expect.objectContaining({ counts: new Map([[479470107, 2]]) })]]),
  )
})

test('of a transaction that outlives a thousand others it is not known what it wrote', () => {
  const written = new WrittenEvents()
  const old = written.of('7')
  old.add([event])
  for (let id = 8; id <= 1_007; id += 1) written.of(String(id)).add([event])
  expect(old.topics).toEqual(new Map([[event.topic, null]]))
  // It goes on: what it writes now is not all.
  written.of('7').add([event])
  expect(written.of('7').topics).toEqual(new Map([[event.topic, null]]))
  expect(written.of('1007').topics.get(event.topic)).not.toBeNull()
  expect(written.of('1007').topics.size).toBe(1)
  expect(written.of('1008').topics.size).toBe(0)
})
