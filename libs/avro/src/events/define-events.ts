import type { AvroRead, AvroWrite, KeyField, RecordDefinition, Simplify } from './avro-types.ts'
import { eventConstructor } from './event-constructor.ts'

/** Event types by name; the name of an event type is the value of its `eventType` header. */
export type EventDefinitions = Readonly<Record<string, RecordDefinition>>

/** An event as its reader gets it. */
export type Envelope<T extends string, D> = {
  readonly type: T
  readonly data: D
  /** `id` header, unique per event; `<topic>/<partition>@<offset>` for a record without one. */
  readonly id: string
  /** The record's key: the unit of order, and of failure. */
  readonly key: string
  /** The record's timestamp. */
  readonly at: Date
  readonly source: { readonly topic: string; readonly partition: number; readonly offset: number }
  readonly headers: Readonly<Record<string, string>>
  /** Whose the event is, where the reader knows a header that says so; absent without a tenant. */
  readonly tenant?: string
}

/** An event that is yet to be written. */
export type NewEvent<T extends string = string, D = unknown> = {
  readonly type: T
  readonly data: D
  readonly key: string
  readonly topic: string
}

export type AnyEvents = {
  /** Name of the Kafka topic that holds the events. */
  readonly topic: string
  readonly definitions: EventDefinitions
  /** By event type and version of its subject: turns what that version wrote into today's shape. */
  readonly upcasts: Upcasts
  /** The field whose text is the record's key; absent where whoever made the set did not say. */
  readonly keyField?: string
}

export type Upcasts = Readonly<Record<string, Readonly<Record<number, Upcast>>>>

type Upcast = (old: never) => unknown

/** An event set: its topic and definitions, and a constructor per event type. */
export type EventSet<D extends EventDefinitions> = {
  readonly topic: string
  readonly definitions: D
  readonly upcasts: Upcasts
  readonly keyField: string
} & {
  readonly [T in keyof D & string]: ((data: AvroWrite<D[T]>) => NewEvent<T, AvroRead<D[T]>>) & {
    readonly eventType: T
  }
}

export type EventTypeOf<S extends AnyEvents> = keyof S['definitions'] & string

/** The event of set `S` and type `T` as a handler gets it; without `T`, the union of all. */
export type EventOf<S extends AnyEvents, T extends EventTypeOf<S> = EventTypeOf<S>> = {
  [K in T]: Envelope<K, AvroRead<S['definitions'][K]>>
}[T]

/** Names of the fields that every event type of `D` has, and that may be a key in all of them. */
export type CommonField<D extends EventDefinitions> = keyof {
  [F in KeyField<D[keyof D]> as Record<keyof D, F> extends {
    [T in keyof D]: Extract<KeyField<D[T]>, F>
  }
    ? F
    : never]: true
} &
  string

/** The full name of a record: its namespace, if any, and its name. */
export function recordName({ name, namespace }: RecordDefinition): string {
  return namespace === undefined || name.includes('.') ? name : `${namespace}.${name}`
}

/** Names that an event type cannot have, since the set itself uses them. */
const RESERVED_NAMES: readonly string[] = ['topic', 'definitions', 'upcasts', 'keyField']

/**
 * Defines the events of one topic. Their TypeScript types come from the Avro schemas, so that nothing
 * is written twice:
 *
 *     const OrderEvents = defineEvents({ topic: 'outbox.event.order', key: 'orderId', events: { … } })
 *     OrderEvents.OrderPaid({ orderId, amount: 10n })
 *
 * `key` names the field whose text becomes the record key; every event type has it, and its value is a
 * text, a number, a boolean or a symbol of an enum.
 *
 * `upcast` is for changes that Avro's schema resolution cannot make, such as one field that became two:
 * per event type and version of its subject in the registry, a function from the value as that version
 * wrote it to today's. Values of all other versions are resolved.
 *
 * @throws {TypeError} for what is no Avro schema, or a default that is none of its type, and for a field that
 *   cannot be a key.
 */
export function defineEvents<const D extends EventDefinitions>(options: {
  readonly topic: string
  readonly key: CommonField<Simplify<D>>
  readonly events: D
  readonly upcast?: {
    readonly [T in keyof D]?: Readonly<Record<number, (old: never) => AvroRead<D[T]>>>
  }
}): EventSet<D> {
  const { topic, key, events, upcast = {} } = options
  const constructors = Object.entries(events).map(([type, definition]) => {
    if (RESERVED_NAMES.includes(type)) throw new TypeError(`an event type cannot be named ${type}`)
    return [type, eventConstructor({ topic, key, type }, definition)] as const
  })
  for (const [type, byVersion] of Object.entries(upcast)) {
    refuseUpcasts(`${topic}: upcast.${type}`, byVersion, Object.hasOwn(events, type))
  }
  // The loop above gives one constructor per definition, which no type of `fromEntries` can say.
  return Object.freeze({
    ...Object.fromEntries(constructors),
    topic,
    definitions: events,
    upcasts: upcast,
    keyField: key,
  }) as unknown as EventSet<D>
}

/** Types say so, too; what a definition in JavaScript spells wrong would cast nothing up. */
function refuseUpcasts(where: string, byVersion: unknown, isOfEvent: boolean): void {
  if (!isOfEvent) throw new TypeError(`${where} is of no event type of the set`)
  for (const [version, upcast] of Object.entries(byVersion ?? {})) {
    if (!/^[1-9]\d*$/.test(version)) {
      throw new TypeError(`${where} is by versions, which are integers from 1, not by ${version}`)
    }
    if (typeof upcast !== 'function') {
      throw new TypeError(`${where}.${version} is a function, not ${typeof upcast}`)
    }
  }
}
