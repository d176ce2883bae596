import type { Lsn } from '@fairlead/base'
import { POSTGRES_EPOCH_MS } from './message-reader.ts'

const STATUS_UPDATE = 0x72 // r
const STATUS_UPDATE_BYTES = 34

/**
 * Standby status update, PostgreSQL "Streaming Replication Protocol". Postgres itself defines the
 * positions as "last byte + 1", and every LSN here already is the first byte after something:
 * nothing is added.
 */
export function encodeStandbyStatus(status: {
  /** Everything before it was received. */
  readonly receivedLsn: Lsn
  /** Everything before it is durable: the slot moves here. 0 leaves the slot where it is. */
  readonly confirmedLsn: Lsn
  readonly wallNowMs: number
  /** Asks the server to answer at once with a keepalive. */
  readonly replyRequested?: boolean
}): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(STATUS_UPDATE_BYTES)
  const view = new DataView(bytes.buffer)
  const received =
    status.receivedLsn > status.confirmedLsn ? status.receivedLsn : status.confirmedLsn
  view.setUint8(0, STATUS_UPDATE)
  view.setBigUint64(1, received)
  view.setBigUint64(9, status.confirmedLsn)
  view.setBigUint64(17, status.confirmedLsn)
  view.setBigInt64(25, BigInt(Math.trunc(status.wallNowMs) - POSTGRES_EPOCH_MS) * 1000n)
  view.setUint8(33, status.replyRequested === true ? 1 : 0)
  return bytes
}
