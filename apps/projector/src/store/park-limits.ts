import type { BatchLedger, Letter } from '@fairlead/projection'
import { type Transaction, sql } from 'kysely'
import { type TopicOfProjection, isOfTopic } from './letter-owner.ts'

/** Committing the batch would set more aside than the projection lets wait in dead letters. */
export class ParkLimitError extends Error {
  override readonly name = 'ParkLimitError'
}

/**
 * Holds what a transaction has set aside to `errors.park` of the projection, together with what waits already.
 * Other partitions that commit meanwhile are not seen.
 *
 * @throws {ParkLimitError}
 */
export async function holdToParkLimits(
  trx: Transaction<unknown>,
  owner: TopicOfProjection,
  { letters, parkedKeys }: Pick<BatchLedger, 'letters' | 'parkedKeys'>,
): Promise<void> {
  const { maxPerKey, maxKeys } = owner.projection.parkLimits ?? {}
  if (maxKeys !== undefined && parkedKeys.size > 0) await holdKeys(trx, owner, maxKeys)
  if (maxPerKey === undefined || letters.length === 0) return
  await holdLetters(trx, owner, { letters, maxPerKey })
}

async function holdKeys(
  trx: Transaction<unknown>,
  { projection: { name, version }, projectionId }: TopicOfProjection,
  maxKeys: number,
): Promise<void> {
  const { rows } = await sql`
    select from evt.parked_key where projection_id = ${projectionId} and version = ${version}
    limit ${maxKeys + 1}`.execute(trx)
  if (rows.length <= maxKeys) return
  throw new ParkLimitError(
    `another key would be parked beside ${maxKeys} (errors.park.maxKeys): mend what fails and replay, or discard letters (fairlead dlq causes ${name} --version ${version}), or allow for more`,
  )
}

/** The key may be a person's: the offset tells which one it is. */
async function holdLetters(
  trx: Transaction<unknown>,
  owner: TopicOfProjection,
  { letters, maxPerKey }: { readonly letters: readonly Letter[]; readonly maxPerKey: number },
): Promise<void> {
  const keys = [...new Set(letters.map(({ key }) => key))]
  const { rows } = await sql<{ key: string }>`
    select k.key from unnest(${keys}::text[]) as k (key)
    cross join lateral (
      select count(*) as letters from (
        select from evt.dead_letter d
        where ${isOfTopic(owner)} and md5(d.key) = md5(k.key) limit ${maxPerKey + 1}) found) counted
    where counted.letters > ${maxPerKey} limit 1`.execute(trx)
  const [row] = rows
  if (row === undefined) return
  const offset = letters.findLast(({ key }) => key === row.key)?.record.offset
  const { name, version } = owner.projection
  throw new ParkLimitError(
    `the key at offset ${offset} would have more than ${maxPerKey} letters (errors.park.maxPerKey): replay the key, or discard letters of it (fairlead dlq keys ${name} --version ${version}), or allow for more`,
  )
}
