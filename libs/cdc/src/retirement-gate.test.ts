import { lsn } from '@fairlead/base'
import { expect, test } from 'vitest'
import { RetirementGate, type WalObservation } from './retirement-gate.ts'

function seen(
  oldest: number,
  next: number,
  wal: number,
  ...confirmed: (number | null)[]
): WalObservation {
  return {
    oldestXid: BigInt(oldest),
    nextXid: BigInt(next),
    walInsertLsn: lsn(BigInt(wal)),
    confirmedLsns: confirmed.map((value) => (value === null ? null : lsn(BigInt(value)))),
  }
}

test('with nothing running and everything confirmed it opens at once', () => {
  expect(new RetirementGate().observe(seen(10, 10, 100, 100))).toBe(true)
})

test('it waits for transactions that ran, and then for the log that they have written', () => {
  const gate = new RetirementGate()
  expect(gate.observe(seen(8, 10, 100, 100))).toBe(false)
  expect(gate.observe(seen(9, 12, 200, 200))).toBe(false)
  expect(gate.observe(seen(10, 14, 300, 299))).toBe(false)
  expect(gate.observe(seen(10, 15, 400, 300))).toBe(true)
})

test('the slowest slot holds it, and one that is lost holds it for good', () => {
  const gate = new RetirementGate()
  expect(gate.observe(seen(10, 10, 100, 100, 50))).toBe(false)
  expect(gate.observe(seen(20, 20, 900, 900, null))).toBe(false)
  expect(gate.observe(seen(20, 20, 900, 900, 100))).toBe(true)
})

test('once open it stays open', () => {
  const gate = new RetirementGate()
  gate.observe(seen(10, 10, 100, 100))
  expect(gate.observe(seen(1, 99, 900, 100))).toBe(true)
})
