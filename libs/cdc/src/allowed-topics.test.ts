import { expect, test } from 'vitest'
import { allowedTopic, notAllowedReason } from './allowed-topics.ts'

test.for([
  ['orders.eu', 'orders.eu', true],
  // A dot of a name is no wildcard: whoever names topics must not get around the list.
  ['orders.eu', 'orders-eu', false],
  ['orders.eu', 'orders.eu.raw', false],
  [String.raw`orders\.[a-z]{2}`, 'orders.eu', true],
  [String.raw`orders\.[a-z]{2}`, 'all.orders.eu', false],
  ['a|b', 'b', true],
  ['a|b', 'bc', false],
] as const)('%s allows %s: %s', ([entry, topic, isAllowed]) => {
  expect(notAllowedReason(topic, [allowedTopic(entry)]) === undefined).toBe(isAllowed)
})

test('without a list every topic is allowed', () => {
  expect(notAllowedReason('any', [])).toBeUndefined()
})
