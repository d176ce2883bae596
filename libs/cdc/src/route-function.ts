/**
 * An event of an outbox, as a function that routes it sees it. It is read while the function runs, and is not
 * to be kept. Texts are Postgres' own; bytes that are no UTF-8 show up as U+FFFD.
 */
export type OutboxRow = {
  /** `schema.table`; of a message its prefix. */
  readonly table: string
  /** Every column, by its name; null for NULL. Of a message the fields that it has. */
  readonly columns: Readonly<Record<string, string | null>>
  readonly id: string | null
  /** `route.by.field` */
  readonly aggregateType: string
  /** `table.field.event.key`: what is parked together, whatever key the function gives. */
  readonly aggregateId: string | null
  readonly type: string | null
  /** `route.tenant.field`; null where there is none. */
  readonly tenant: string | null
  /** Entries of the headers column, and the trace context. */
  readonly headers: Readonly<Record<string, string | null>>
  /** The value as `value.converter=raw` would write it. */
  readonly payload: Uint8Array | null
  /** Of the record, as the options give it. */
  readonly timestampMs: number
  /** Of the record, as the options give it; not checked yet. */
  readonly topic: string
}

/** Where an event goes. What is left out is as the options of the router give it. */
export type Route = {
  readonly topic?: string
  /** Text is written by `key.converter`, bytes as they are; null where `key.null.behavior` allows it. */
  readonly key?: string | Uint8Array | null
  /** Beside the others, and in the place of those with the same name; `id` and `cdc.…` are the relay's. */
  readonly headers?: Readonly<Record<string, string | Uint8Array | null>>
  /** Otherwise it follows from the key. A topic without that partition parks the event. */
  readonly partition?: number
  readonly timestampMs?: number
}

/**
 * Decides where an event goes, or that it goes nowhere. It answers at once, with no promise, and depends on
 * nothing but the row: it is asked again for an event that is sent again. What it throws parks the event.
 */
export type RouteFunction = (row: OutboxRow) => Route | 'drop'

/** Gives a function its type: `export const route = defineRoute((row) => …)` is what `route.module` wants. */
export function defineRoute(route: RouteFunction): RouteFunction {
  return route
}
