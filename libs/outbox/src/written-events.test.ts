import { expect, test } from 'vitest'
import { NO_APPEND, type TransactionEvents, WrittenEvents } from './written-events.ts'

const event = { topic: 'outbox.event.order', key: 'abc', type: 'OrderPlaced', data: {} }
const first = { appendId: '1', previousId: NO_APPEND }
const second = { appendId: '2', previousId: '1' }
const countsOf = (events: TransactionEvents) => [
  ...(events.topics.get(event.topic)?.counts.values() ?? []),
]

test('a transaction has the events that were appended to it, before it was asked about and after', () => {
  const written = new WrittenEvents()
  written.of('7').add([event], first)
  written.of('8').add([event, event], first)
  const asked = written.of('7')
  written.of('7').add([event], second)
  expect(asked.topics).toEqual(
    new Map([[event.topic, expect.objectContaining({ counts: new Map([[479470107, 2]]) })]]),
  )
})

test('of a transaction that outlives a thousand others it is not known what it wrote', () => {
  const written = new WrittenEvents()
  const old = written.of('7')
  old.add([event], first)
  for (let id = 8; id <= 1_007; id += 1) written.of(String(id)).add([event], first)
  expect(old.topics).toEqual(new Map([[event.topic, null]]))
  // It goes on: what it writes now is not all.
  written.of('7').add([event], second)
  expect(written.of('7').topics).toEqual(new Map([[event.topic, null]]))
  expect(written.of('1007').topics.get(event.topic)).not.toBeNull()
  expect(written.of('1007').topics.size).toBe(1)
  expect(written.of('1008').topics.size).toBe(0)
})

test('an append says which ones before it were rolled back', () => {
  const events = new WrittenEvents().of('7')
  events.add([event], first)
  events.add([event, event], second)
  events.add([event], { appendId: '3', previousId: '1' })
  expect(countsOf(events)).toEqual([2])
  events.keepUpTo('1')
  expect(countsOf(events)).toEqual([1])
  events.keepUpTo(NO_APPEND)
  expect(events.topics.size).toBe(0)
})

/** Too many to be told apart, and of fewer residues. */
const MANY = 205

test.for([
  [MANY, 1],
  [1, MANY],
] as const)('appends of %i and %i keys are counted by the same residues', ([one, other]) => {
  const events = new WrittenEvents().of('7')
  const keysOf = (count: number, name: string) =>
    Array.from({ length: count }, (_, index) => ({ ...event, key: `${name}${index}` }))
  events.add(keysOf(one, 'a'), first)
  events.add(keysOf(other, 'b'), second)
  const counts = events.topics.get(event.topic)
  expect(counts?.modulus).toBeLessThan(1_000)
  const together = new WrittenEvents().of('7')
  together.add([...keysOf(one, 'a'), ...keysOf(other, 'b')], first)
  expect(together.topics.get(event.topic)).toEqual(counts)
})

test('of very many appends all are counted; what is left of the first ones when some of them are rolled back is not known', () => {
  const events = new WrittenEvents().of('7')
  const append = (number: number) =>
    events.add([{ ...event, key: `k${number}` }], {
      appendId: `${number}`,
      previousId: number === 1 ? NO_APPEND : `${number - 1}`,
    })
  const sum = () => countsOf(events).reduce((total, count) => total + count, 0)
  for (let number = 1; number <= 1_000; number += 1) append(number)
  expect(sum()).toBe(1_000)
  events.keepUpTo('990')
  expect(sum()).toBe(990)
  events.keepUpTo('10')
  expect(events.topics).toEqual(new Map([[event.topic, null]]))
})
