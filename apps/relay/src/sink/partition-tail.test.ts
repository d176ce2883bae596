import { lsn } from '@fairlead/base'
import { expect, test } from 'vitest'
import { PartitionTail } from './partition-tail.ts'

const at = (commitLsn: number, commitIndex: number) => ({
  commitLsn: lsn(BigInt(commitLsn)),
  commitIndex,
})

function tailOf(...positions: ReturnType<typeof at>[]): PartitionTail {
  return new PartitionTail(positions, { holdsEarlier: true })
}

test('an empty tail holds nothing', () => {
  expect(tailOf().holds(at(1, 0))).toBe(false)
})

test.for([
  { what: 'what was seen', position: at(20, 1), isHeld: true },
  { what: 'what lies before the oldest', position: at(5, 7), isHeld: true },
  { what: 'nothing behind the newest', position: at(30, 1), isHeld: false },
  { what: 'nothing of a later transaction', position: at(31, 0), isHeld: false },
  { what: 'nothing unseen in between', position: at(20, 0), isHeld: false },
])('a tail holds $what', ({ position, isHeld }) => {
  expect(tailOf(at(10, 0), at(20, 1), at(30, 0)).holds(position)).toBe(isHeld)
})

test('a tail that is not deep, or whole, holds what was seen and nothing else', () => {
  const whole = new PartitionTail([at(10, 1), at(20, 0)], { holdsEarlier: false })
  expect(whole.holds(at(10, 1))).toBe(true)
  expect(whole.holds(at(10, 0))).toBe(false)
})

test('positions compare by transaction first, then by index as a number', () => {
  expect(tailOf(at(10, 9)).holds(at(10, 10))).toBe(false)
  expect(tailOf(at(10, 10)).holds(at(10, 9))).toBe(true)
})
