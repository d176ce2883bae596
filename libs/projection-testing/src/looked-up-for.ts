import { type AnyEvent, LookedUp, type Projection } from '@fairlead/projection'

/** What `enrichEach` returns for the events, or `enriched` for each of them; undefined without one. */
export async function lookedUpFor(
  { enrichEach }: Projection,
  events: readonly AnyEvent[],
  given?: { readonly enriched?: unknown },
): Promise<LookedUp | undefined> {
  if (enrichEach === undefined) return undefined
  const lookedUp = new LookedUp()
  const { signal } = new AbortController()
  for (const event of events) {
    try {
      const value =
        given !== undefined && 'enriched' in given
          ? given.enriched
          : await enrichEach(event, { signal })
      lookedUp.set(event.source, { ok: true, value })
    } catch (error) {
      lookedUp.set(event.source, { ok: false, error })
    }
  }
  return lookedUp
}
