import type { Brand } from './brand.ts'
import { DecodeError } from './errors.ts'
import { invariant } from './invariant.ts'

/** Position in the write-ahead log of Postgres: an unsigned 64-bit byte address. */
export type Lsn = Brand<bigint, 'Lsn'>

const LSN_MAX = 0xffff_ffff_ffff_ffffn
const LSN_TEXT = /^([0-9A-Fa-f]{1,8})\/([0-9A-Fa-f]{1,8})$/

/** @throws {InvariantViolation} unless `value` is from 0 to 2^64 - 1. */
export function lsn(value: bigint): Lsn {
  invariant(value >= 0n && value <= LSN_MAX, () => `${value} is not an LSN`)
  return value as Lsn
}

/**
 * Reads Postgres' text form, `0/16B3748`.
 *
 * @throws {DecodeError} for any other text.
 */
export function parseLsn(text: string): Lsn {
  const match = LSN_TEXT.exec(text)
  if (match === null) throw new DecodeError(`"${text}" is not an LSN such as 0/16B3748`, 0)
  return lsn((BigInt(`0x${match[1]}`) << 32n) | BigInt(`0x${match[2]}`))
}

/** Writes Postgres' text form, `0/16B3748`. */
export function formatLsn(value: Lsn): string {
  const high = (value >> 32n).toString(16).toUpperCase()
  const low = (value & 0xffff_ffffn).toString(16).toUpperCase()
  return `${high}/${low}`
}
