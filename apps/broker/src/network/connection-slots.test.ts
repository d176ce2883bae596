import { describe, expect, test } from 'vitest'
import { type AddressQuota, type ConnectionLimits, ConnectionSlots } from './connection-slots.ts'

const UNLIMITED: ConnectionLimits = {
  totalMax: 1_000_000,
  perIpMax: 1_000_000,
  perIpMaxOverrides: new Map(),
  creationRateMax: 1_000_000,
}

const NO_QUOTA: AddressQuota = { connect: () => 0 }

describe('connection slots', () => {
  test('an address takes as many as it may, and gets back what it returned', () => {
    const slots = new ConnectionSlots({ ...UNLIMITED, perIpMax: 2 }, NO_QUOTA)
    expect(slots.take('a', 0).ok).toBe(true)
    expect(slots.take('a', 0).ok).toBe(true)
    expect(slots.take('b', 0).ok).toBe(true)
    expect(slots.take('a', 0)).toEqual({
      ok: false,
      reason: 'max.connections.per.ip (2) is reached',
    })
    slots.giveBack('a')
    expect(slots.take('a', 0).ok).toBe(true)
  })

  test('an override counts instead, also for an IPv4 peer of an IPv6 socket', () => {
    const perIpMaxOverrides = new Map([
      ['10.0.0.1', 1],
      ['10.0.0.2', 0],
    ])
    const slots = new ConnectionSlots({ ...UNLIMITED, perIpMax: 0, perIpMaxOverrides }, NO_QUOTA)
    expect(slots.take('::ffff:10.0.0.1', 0).ok).toBe(true)
    const reason = (count: number): string =>
      `max.connections.per.ip.overrides (${count}) is reached`
    expect(slots.take('10.0.0.1', 0)).toEqual({ ok: false, reason: reason(1) })
    expect(slots.take('10.0.0.2', 0)).toEqual({ ok: false, reason: reason(0) })
    slots.giveBack('10.0.0.1')
    expect(slots.take('10.0.0.1', 0).ok).toBe(true)
  })

  test('all addresses together take no more than the total', () => {
    const slots = new ConnectionSlots({ ...UNLIMITED, totalMax: 2 }, NO_QUOTA)
    slots.take('a', 0)
    slots.take('b', 0)
    expect(slots.take('c', 0)).toEqual({ ok: false, reason: 'max.connections (2) is reached' })
  })

  test('what one second may bring comes at once, the rest at the rate', () => {
    const slots = new ConnectionSlots({ ...UNLIMITED, creationRateMax: 4 }, NO_QUOTA)
    const delays = (nowMs: number, count: number): number[] =>
      Array.from({ length: count }, () => {
        const slot = slots.take('a', nowMs)
        return slot.ok ? slot.delayMs : Number.NaN
      })
    expect(delays(10_000, 7)).toEqual([0, 0, 0, 0, 250, 500, 750])
    expect(delays(11_000, 2)).toEqual([0, 250])
    expect(delays(20_000, 5)).toEqual([0, 0, 0, 0, 250])
  })
})
