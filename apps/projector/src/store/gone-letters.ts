import { type Kysely, sql } from 'kysely'
import type { VersionIds } from './letter-orders.ts'

/** A letter that was taken out of its queue, and not by the owner of the partition. */
export type GoneLetter = { readonly id: bigint; readonly topic: string; readonly keyMd5: string }

type Place = Pick<GoneLetter, 'topic' | 'keyMd5'>

/**
 * Keys of which letters are gone. A drain that has read them before reads them again; a replay of one letter
 * ends with that letter, as nobody has asked for the one behind it; and a key that has none left is
 * released: an owner that sets an event aside for it finds out that it is parked no more.
 */
export async function settleGone(
  trx: Kysely<unknown>,
  { projectionId, version }: VersionIds,
  gone: readonly GoneLetter[],
): Promise<void> {
  const firstGone = new Map<string, GoneLetter>()
  for (const letter of gone) {
    const first = firstGone.get(placeOf(letter))
    if (first === undefined || letter.id < first.id) firstGone.set(placeOf(letter), letter)
  }
  const firsts = [...firstGone.values()]
  const { rows: keys } = await sql<Place & { readonly headId: bigint | null }>`
    select topic, key_md5 as "keyMd5", (select min(l.id) from evt.dead_letter l
      where (l.projection_id, l.version, l.topic, md5(l.key))
        = (${projectionId}::int, ${version}::int, gone.topic, gone.key_md5)) as "headId"
    from unnest(${firsts.map(({ topic }) => topic)}::text[],
      ${firsts.map(({ keyMd5 }) => keyMd5)}::text[]) as gone (topic, key_md5)`.execute(trx)
  // One letter is replayed only at the head of its key.
  const beheaded = keys.filter((key) => {
    const first = firstGone.get(placeOf(key))
    return key.headId === null || first === undefined || first.id < key.headId
  })
  const empty = keys.filter(({ headId }) => headId === null)
  // Arrays, not a join: see `keysOf`.
  const isOneOf = (places: readonly Place[]) => sql`projection_id = ${projectionId}
    and version = ${version} and topic || ' ' || key_md5 = any(${places.map(placeOf)}::text[])`
  await sql`update evt.parked_key set revision = revision + 1 where ${isOneOf(keys)}`.execute(trx)
  await sql`
    update evt.parked_key set drain_requested_at = null, drain_letters_left = null
    where ${isOneOf(beheaded)} and drain_letters_left is not null`.execute(trx)
  await sql`delete from evt.parked_key where ${isOneOf(empty)}`.execute(trx)
}

function placeOf({ topic, keyMd5 }: Place): string {
  return `${topic} ${keyMd5}`
}
