import type { AnyEvents, EventOf, EventTypeOf } from '@fairlead/avro'

/** What a projection reads: the events of one topic, or of several. */
export type EventSource = AnyEvents | readonly [AnyEvents, ...(readonly AnyEvents[])]

type SetOf<F extends EventSource> = F extends readonly AnyEvents[] ? F[number] : F

/** Names of all event types of the source. */
export type SourceType<F extends EventSource> = TypesOfSet<SetOf<F>>

type TypesOfSet<S> = S extends AnyEvents ? EventTypeOf<S> : never

/** The event of type `T` as a handler gets it; without `T`, the union of all. */
export type SourceEvent<
  F extends EventSource,
  T extends SourceType<F> = SourceType<F>,
> = EventOfSet<SetOf<F>, T>

type EventOfSet<S, T> = S extends AnyEvents ? EventOf<S, T & EventTypeOf<S>> : never

/**
 * The event sets of a projection.
 *
 * @throws {TypeError} when two of them have one topic, or an event type of one name: a handler would
 *   not know which of the two it gets.
 */
export function sourcesOf(projection: string, from: EventSource): readonly AnyEvents[] {
  const sources = isSingle(from) ? [from] : from
  if (sources.length === 0 || !sources.every(isEventSet)) {
    throw new TypeError(
      `${projection}: from is an event set that defineEvents has made, or an array of them`,
    )
  }
  const topicOfType = new Map<string, string>()
  const topics = new Set<string>()
  for (const { topic, definitions } of sources) {
    if (topics.has(topic)) throw new TypeError(`${projection} reads ${topic} twice`)
    topics.add(topic)
    for (const type of Object.keys(definitions)) {
      const other = topicOfType.get(type)
      if (other !== undefined) {
        throw new TypeError(
          `${projection} reads ${type} of ${other} and ${type} of ${topic}: give one of them another name`,
        )
      }
      topicOfType.set(type, topic)
    }
  }
  return sources
}

/** A definition in JavaScript may name anything, and a cycle of imports nothing yet. */
function isEventSet(set: Partial<AnyEvents> | null | undefined): boolean {
  return typeof set?.topic === 'string' && typeof set.definitions === 'object'
}

function isSingle(from: EventSource): from is AnyEvents {
  return !Array.isArray(from)
}

/**
 * Records have an order in their partition alone. A row that takes events of several topics would hold
 * what a race between them left, and a rebuild would come to something else.
 *
 * @throws {TypeError} when there are several topics.
 */
export function refuseLostOrder(projection: {
  readonly name: string
  readonly sources: readonly AnyEvents[]
}): void {
  if (projection.sources.length === 1) return
  const topics = projection.sources.map(({ topic }) => topic).join(' and ')
  throw new TypeError(
    `${projection.name} reads ${topics}, whose events have no order among each other: two runs over the same log would leave different rows. Define it with .commutative({ … }), or as one projection per topic`,
  )
}

/**
 * A row that takes events of several record keys takes them from several partitions.
 *
 * @throws {TypeError} always.
 */
export function refuseOtherKeys({ name }: { readonly name: string }): never {
  throw new TypeError(
    `${name} has rows of another key than its events have, which come from several partitions in no order: two runs over the same log may leave different rows. Define it with .commutative({ … }), or say order: 'none' if what events of different keys do to a row commutes`,
  )
}
