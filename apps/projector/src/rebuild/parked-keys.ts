import type { Letter } from '@fairlead/projection'
import { type Kysely, type Transaction, sql } from 'kysely'
import { placeOf } from '../log/event-log.ts'
import { parkLetters } from '../store/park-letters.ts'
import type { RegisteredProjection } from '../store/registered-projection.ts'

/** Parked keys of all topics and partitions of a version. */
export async function readParkedKeys(
  db: Kysely<unknown>,
  { projection, projectionId }: RegisteredProjection,
): Promise<ReadonlySet<string>> {
  const { rows } = await sql<{ key: string }>`
    select key from evt.parked_key
    where projection_id = ${projectionId} and version = ${projection.version}`.execute(db)
  return new Set(rows.map(({ key }) => key))
}

/** Stores letters of any partitions, and parks the keys of those that failed. */
export async function parkByPartition(
  trx: Transaction<unknown>,
  registered: RegisteredProjection,
  letters: readonly Letter[],
): Promise<void> {
  // Those that failed first: a key may be parked in one partition, and blocked in another.
  const failed = letters.filter(({ cause }) => cause.kind === 'failed')
  const blocked = letters.filter(({ cause }) => cause.kind === 'blocked')
  await parkGroups(trx, registered, failed)
  await parkGroups(trx, registered, blocked)
}

async function parkGroups(
  trx: Transaction<unknown>,
  registered: RegisteredProjection,
  letters: readonly Letter[],
): Promise<void> {
  for (const group of Map.groupBy(letters, ({ record }) => placeOf(record)).values()) {
    const [first] = group
    if (first === undefined) continue
    const { topic, partition } = first.record
    const failed = group.filter(({ cause }) => cause.kind === 'failed')
    const parkedKeys = new Set(failed.map(({ key }) => key))
    await parkLetters(trx, { ...registered, topic, partition }, { letters: group, parkedKeys })
  }
}
