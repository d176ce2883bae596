import type { Brand } from './brand.ts'
import { DecodeError } from './errors.ts'
import { invariant } from './invariant.ts'

/** Position in the write-ahead log of Postgres: an unsigned 64-bit byte address. */
export type Lsn = Brand<bigint, 'Lsn'>

const LSN_MAX = 0xffff_ffff_ffff_ffffn
const LSN_TEXT = /^[0-9A-Fa-f]{1,8}\/[0-9A-Fa-f]{1,8}$/
const HIGH_SAFE_MAX = 2 ** 21

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
  if (!LSN_TEXT.test(text)) throw new DecodeError(`"${text}" is not an LSN such as 0/16B3748`, 0)
  const slash = text.indexOf('/')
  const high = Number.parseInt(text.slice(0, slash), 16)
  const low = Number.parseInt(text.slice(slash + 1), 16)
  // One bigint instead of four, for the first 8 PiB of a log.
  const isSafe = high < HIGH_SAFE_MAX
  return lsn(isSafe ? BigInt(high * 2 ** 32 + low) : (BigInt(high) << 32n) | BigInt(low))
}

/** Writes Postgres' text form, `0/16B3748`. */
export function formatLsn(value: Lsn): string {
  const high = (value >> 32n).toString(16).toUpperCase()
  const low = (value & 0xffff_ffffn).toString(16).toUpperCase()
  return `${high}/${low}`
}
