import { type AnyEvent, LookedUp, type Projection } from '@fairlead/projection'
import type { Kysely } from 'kysely'

/** What `enrich` or `enrichEach` return for these events; undefined where there is neither, or no event. */
export type LookUp = (
  events: readonly AnyEvent[],
  db: Kysely<unknown> | undefined,
) => Promise<unknown>

/** What the projection looks up, or `enriched` in its place. */
export function lookUpOf(
  projection: Projection,
  given: { readonly enriched?: unknown } = {},
): LookUp {
  const { name, enrich, enrichEach } = projection
  return async (events, db) => {
    if (events.length === 0) return undefined
    if (enrichEach !== undefined) return lookedUpFor(enrichEach, events, given)
    if (enrich === undefined) return undefined
    if ('enriched' in given) return given.enriched
    if (db === undefined) {
      throw new TypeError(`${name} looks things up: give { enriched } or { db } to test it`)
    }
    return enrich(events, { db })
  }
}

async function lookedUpFor(
  enrichEach: NonNullable<Projection['enrichEach']>,
  events: readonly AnyEvent[],
  given: { readonly enriched?: unknown },
): Promise<LookedUp> {
  const lookedUp = new LookedUp()
  const { signal } = new AbortController()
  for (const event of events) {
    try {
      const value = 'enriched' in given ? given.enriched : await enrichEach(event, { signal })
      lookedUp.set(event.source, { ok: true, value })
    } catch (error) {
      lookedUp.set(event.source, { ok: false, error })
    }
  }
  return lookedUp
}
