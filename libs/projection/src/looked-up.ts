import { invariant } from '@fairlead/base'
import type { AnyEvent, Projection } from './definition.ts'

/** What was looked up for an event, or why that failed. */
type LookUpOutcome =
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly error: unknown }

type Place = AnyEvent['source']

/** What `enrichEach` has returned for the events of a batch. */
export class LookedUp {
  /** By place: an event may be decoded more than once. */
  readonly #outcomes = new Map<string, LookUpOutcome>()

  set(place: Place, outcome: LookUpOutcome): void {
    this.#outcomes.set(textOf(place), outcome)
  }

  /** @throws what the look-up has thrown. */
  of({ source }: AnyEvent): unknown {
    const outcome = this.#outcomes.get(textOf(source))
    invariant(outcome !== undefined, 'a look-up comes before the handler of its event')
    if (outcome.ok) return outcome.value
    throw outcome.error
  }
}

function textOf({ topic, partition, offset }: Place): string {
  return `${topic}-${partition}@${offset}`
}

/** What the handler of an event is given beside it. @throws what the look-up for it has thrown. */
export function enrichedFor(
  { enrichEach }: Projection,
  enriched: unknown,
  event: AnyEvent,
): unknown {
  if (enrichEach === undefined) return enriched
  invariant(
    enriched instanceof LookedUp,
    'events that are looked up for are, before they are handled',
  )
  return enriched.of(event)
}
