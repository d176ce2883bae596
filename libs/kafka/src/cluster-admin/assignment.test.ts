import fc from 'fast-check'
import { expect, test } from 'vitest'
import { decodeAssignment } from './assignment.ts'

/** Version 1, "orders" with 0 and 2, empty user data: as Kafka's ConsumerProtocol writes it. */
const ORDERS = Buffer.from('00010000000100066f726465727300000002000000000000000200000000', 'hex')

test('the partitions of a consumer are read', () => {
  expect(decodeAssignment(ORDERS)).toEqual([
    { topic: 'orders', partition: 0 },
    { topic: 'orders', partition: 2 },
  ])
})

test('a member without an assignment has no partitions', () => {
  expect(decodeAssignment(new Uint8Array(0))).toEqual([])
})

test('bytes of another protocol are no partitions and never a failure', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
      expect(Array.isArray(decodeAssignment(bytes))).toBe(true)
    }),
  )
})
