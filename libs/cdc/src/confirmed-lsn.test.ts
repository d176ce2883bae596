import { InvariantViolation, lsn } from '@fairlead/base'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { ConfirmedLsn, type PendingTransaction } from './index.ts'

function transaction(confirmed: ConfirmedLsn, endLsn: bigint, events: number): PendingTransaction {
  const pending = confirmed.begin()
  for (let event = 0; event < events; event += 1) pending.eventReceived()
  confirmed.commit(lsn(endLsn))
  return pending
}

test('an early acknowledgement does not pass an older transaction', () => {
  const confirmed = new ConfirmedLsn(lsn(10n))
  const first = transaction(confirmed, 20n, 1)
  const second = transaction(confirmed, 30n, 1)

  second.eventAcknowledged()
  expect(confirmed.value).toBe(lsn(10n))
  first.eventAcknowledged()
  expect(confirmed.value).toBe(lsn(30n))
})

test('adjacent commits: the end of the first is confirmed as it is, not one byte further', () => {
  const confirmed = new ConfirmedLsn(lsn(0n))
  const first = transaction(confirmed, 0x100n, 1)
  // The commit record of the second one starts at 0x100, where the first one ends.
  transaction(confirmed, 0x130n, 1)
  first.eventAcknowledged()
  expect(confirmed.value).toBe(lsn(0x100n))
})

test('events that are acknowledged before their commit arrives confirm nothing until it does', () => {
  const confirmed = new ConfirmedLsn(lsn(0n))
  const pending = confirmed.begin()
  pending.eventReceived()
  pending.eventAcknowledged()
  expect(confirmed.value).toBe(lsn(0n))
  confirmed.commit(lsn(50n))
  expect(confirmed.value).toBe(lsn(50n))
})

test('a keepalive in the middle of a transaction confirms nothing', () => {
  const confirmed = new ConfirmedLsn(lsn(0n))
  const pending = confirmed.begin()
  pending.eventReceived()
  pending.eventAcknowledged()
  confirmed.keepalive(lsn(40n))
  expect(confirmed.value).toBe(lsn(0n))
})

test('a keepalive behind an unacknowledged event confirms nothing', () => {
  const confirmed = new ConfirmedLsn(lsn(0n))
  const pending = transaction(confirmed, 20n, 1)
  confirmed.keepalive(lsn(90n))
  expect(confirmed.value).toBe(lsn(0n))
  pending.eventAcknowledged()
  expect(confirmed.value).toBe(lsn(20n))
})

test('a keepalive of an idle stream is confirmed, and never moves back', () => {
  const confirmed = new ConfirmedLsn(lsn(10n))
  confirmed.keepalive(lsn(90n))
  confirmed.keepalive(lsn(80n))
  expect(confirmed.value).toBe(lsn(90n))
})

test('a transaction without events is confirmed in its turn', () => {
  const confirmed = new ConfirmedLsn(lsn(0n))
  const first = transaction(confirmed, 20n, 1)
  transaction(confirmed, 30n, 0)
  expect(confirmed.value).toBe(lsn(0n))
  first.eventAcknowledged()
  expect(confirmed.value).toBe(lsn(30n))
})

test('an event is acknowledged once', () => {
  const pending = transaction(new ConfirmedLsn(lsn(0n)), 20n, 1)
  pending.eventAcknowledged()
  expect(() => pending.eventAcknowledged()).toThrow(InvariantViolation)
})

test('never passes an unacknowledged event, whatever the order of acknowledgements and keepalives', () => {
  const action = fc.record({
    kind: fc.constantFrom('begin', 'event', 'commit', 'acknowledge', 'keepalive'),
    choice: fc.nat(1_000),
  })
  fc.assert(
    fc.property(fc.array(action, { maxLength: 200 }), (actions) => {
      const confirmed = new ConfirmedLsn(lsn(0n))
      const unacknowledged: { pending: PendingTransaction; endsAfter: bigint }[] = []
      let position = 0n
      let open: PendingTransaction | undefined
      for (const { kind, choice } of actions) {
        position += BigInt((choice % 50) + 1)
        const before = confirmed.value
        if (kind === 'begin') open ??= confirmed.begin()
        if (kind === 'event' && open !== undefined) {
          open.eventReceived()
          unacknowledged.push({ pending: open, endsAfter: position })
        }
        if (kind === 'commit' && open !== undefined) {
          confirmed.commit(lsn(position))
          open = undefined
        }
        if (kind === 'acknowledge' && unacknowledged.length > 0) {
          const [event] = unacknowledged.splice(choice % unacknowledged.length, 1)
          event?.pending.eventAcknowledged()
        }
        if (kind === 'keepalive') confirmed.keepalive(lsn(position))
        expect(confirmed.value).toBeGreaterThanOrEqual(before)
        for (const { endsAfter } of unacknowledged) {
          expect(confirmed.value).toBeLessThan(endsAfter)
        }
      }
    }),
  )
})
