import type { Letter, LogRecord } from '@fairlead/projection'
import { type Kysely, type RawBuilder, type Transaction, sql } from 'kysely'
import { type GoneLetter, settleGone } from '../store/gone-letters.ts'
import { type LetterMirror, mirrorLetters } from '../store/mirror-letters.ts'
import { parkLetters } from '../store/park-letters.ts'
import { type RegisteredProjection, versionOf } from '../store/registered-projection.ts'

/** By topic: keys of several topics have nothing to do with each other. */
export type ParkedKeysByTopic = ReadonlyMap<string, ReadonlySet<string>>

/** Parked keys of all topics and partitions of a version. */
export async function readParkedKeys(
  db: Kysely<unknown>,
  { projection, projectionId }: RegisteredProjection,
): Promise<ParkedKeysByTopic> {
  const { rows } = await sql<{ topic: string; key: string }>`
    select topic, key from evt.parked_key
    where projection_id = ${projectionId} and version = ${projection.version}`.execute(db)
  const byTopic = new Map<string, Set<string>>(
    projection.sources.map(({ topic }) => [topic, new Set()]),
  )
  for (const { topic, key } of rows) byTopic.get(topic)?.add(key)
  return byTopic
}

/** Of the places of some records, those of letters. */
export async function readLetterPlaces(
  db: Kysely<unknown>,
  registered: RegisteredProjection,
  places: readonly LetterPlace[],
): Promise<readonly LetterPlace[]> {
  const { rows } = await sql<{ topic: string; partition: number; offset: bigint }>`
    select l.topic, l.part as "partition", l.log_offset as "offset"
    from evt.dead_letter l join ${unnested(places)} on ${isAt(registered)}`.execute(db)
  return rows.map(({ offset, ...place }) => ({ ...place, offset: Number(offset) }))
}

/**
 * Letters whose events are in the rows now go, with a note of each, and a key that has no more of them is
 * free. Its owner finds that out with the key's next event, which it may not set aside then.
 */
export async function releaseLetters(
  trx: Transaction<unknown>,
  registered: RegisteredProjection,
  places: readonly LetterPlace[],
): Promise<void> {
  if (places.length === 0) return
  const { projection, projectionId } = registered
  // Before their letters, as everybody else who changes these.
  await sql`
    select from evt.parked_key k where k.projection_id = ${projectionId}
      and k.version = ${projection.version} and (k.topic, k.key_md5) in (
        select l.topic, md5(l.key) from evt.dead_letter l
        join ${unnested(places)} on ${isAt(registered)})
    order by k.key_md5, k.topic for update of k`.execute(trx)
  const { rows: gone } = await sql<GoneLetter>`
    with gone as (
      delete from evt.dead_letter l using ${unnested(places)} where ${isAt(registered)} returning l.*
    ), noted as (
      insert into evt.dead_letter_log (actor, reason, action, projection_id, version, letter)
      select 'projector', 'its rows were folded anew', 'rebuild', projection_id, version,
        to_jsonb(gone)
      from gone
    )
    select id, topic, md5(key) as "keyMd5" from gone`.execute(trx)
  await settleGone(trx, versionOf(registered), gone)
}

type LetterPlace = Pick<LogRecord, 'topic' | 'partition' | 'offset'>

function unnested(places: readonly LetterPlace[]): RawBuilder<unknown> {
  return sql`unnest(${places.map(({ topic }) => topic)}::text[],
    ${places.map(({ partition }) => partition)}::int[],
    ${places.map(({ offset }) => offset)}::bigint[]) as place (topic, part, log_offset)`
}

function isAt({ projection, projectionId }: RegisteredProjection): RawBuilder<boolean> {
  return sql`l.projection_id = ${projectionId} and l.version = ${projection.version}
    and l.topic = place.topic and l.part = place.part and l.log_offset = place.log_offset`
}

/** Stores letters of any topics and partitions, with their copies, and parks the keys of those that failed. */
export async function parkByTopic(
  trx: Transaction<unknown>,
  registered: RegisteredProjection,
  all: readonly Letter[],
  mirror: LetterMirror | undefined,
): Promise<void> {
  for (const [topic, letters] of Map.groupBy(all, ({ record }) => record.topic)) {
    const failed = letters.filter(({ cause }) => cause.kind === 'failed')
    const parkedKeys = new Set(failed.map(({ key }) => key))
    const owner = { ...registered, topic }
    await parkLetters(trx, owner, { letters, parkedKeys })
    if (mirror !== undefined) await mirrorLetters(trx, owner, { letters }, mirror)
  }
}
