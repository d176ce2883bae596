import { lsn } from '@fairlead/base'
import { expect, test } from 'vitest'
import { encodeStandbyStatus } from './index.ts'

test('a status update carries the confirmed LSN as it is, in flush and apply', () => {
  const bytes = encodeStandbyStatus({
    receivedLsn: lsn(0x2_0000_0000n),
    confirmedLsn: lsn(0x1_ffff_ffffn),
    wallNowMs: 946_684_800_001,
    replyRequested: true,
  })
  const view = new DataView(bytes.buffer)
  expect(bytes.length).toBe(34)
  expect(view.getUint8(0)).toBe('r'.charCodeAt(0))
  expect(view.getBigUint64(1)).toBe(0x2_0000_0000n)
  expect(view.getBigUint64(9)).toBe(0x1_ffff_ffffn)
  expect(view.getBigUint64(17)).toBe(0x1_ffff_ffffn)
  expect(view.getBigInt64(25)).toBe(1_000n)
  expect(view.getUint8(33)).toBe(1)
})
