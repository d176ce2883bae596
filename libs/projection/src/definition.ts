import type { AnyEvents, Envelope, EventOf, EventTypeOf } from '@fairlead/avro'
import type { Kysely, Transaction } from 'kysely'
import { type Duration, durationMs } from './duration.ts'
import type { Row, RowKey, Table, TableOf, TablesOf } from './table.ts'

/** An event of any type, as the engine sees it. */
export type AnyEvent = Envelope<string, unknown>

/** Returned by a fold handler instead of a row: the row is deleted. */
export const remove: unique symbol = Symbol('remove')

/**
 * What becomes of an event whose handler threw: tried again with the events behind it waiting, its
 * key parked, the event dropped, or the projection stopped.
 */
export type EventFailureAction = 'retry' | 'park' | 'skip' | 'stop'

export type ErrorOptions<E> = {
  /** Decides about an error of a handler; undefined leaves it to the default, `park`. */
  readonly classify?: (error: unknown, event: E) => EventFailureAction | undefined
  /** How often a failing event is tried again in place before its key is parked; default never. */
  readonly retry?: {
    readonly retries?: number
    readonly base?: Duration
    readonly max?: Duration
  }
}

/** A projection, its types erased: what the engine runs. */
export type Projection = FoldProjection | SqlProjection

type Common = {
  readonly name: string
  readonly version: number
  readonly events: AnyEvents
  readonly classify: (error: unknown, event: AnyEvent) => EventFailureAction | undefined
  readonly retry: RetryPolicy
}

export type RetryPolicy = {
  readonly retries: number
  readonly baseMs: number
  readonly maxMs: number
}

/** A pure function per event type: rows in, rows out. Batched, and exact about who failed. */
export type FoldProjection = Common & {
  readonly kind: 'fold'
  readonly table: Table
  readonly rowKey: (event: AnyEvent) => RowKey
  readonly initial: (key: RowKey) => Row
  readonly on: Readonly<Record<string, FoldHandler>>
}

export type FoldHandler = (row: Row, event: AnyEvent) => Row | typeof remove

/** A function per event type that changes tables in the batch's transaction. */
export type SqlProjection = Common & {
  readonly kind: 'sql'
  /** Creates the tables; runs once per version, in the schema of the version. */
  readonly migrate: (db: Kysely<unknown>) => Promise<void>
  readonly on: Readonly<Record<string, SqlHandler>>
}

type SqlHandler = (
  event: AnyEvent,
  context: { readonly trx: Transaction<unknown> },
) => Promise<void>

type Header<S extends AnyEvents, E = EventOf<S>> = {
  /** Lower case; with the version it names the schema `rm_<name>_v<version>`. */
  readonly name: string
  /** From 1. A change of code or columns needs a new one. */
  readonly version: number
  readonly from: S
  readonly errors?: ErrorOptions<E>
}

export interface FoldBuilder<S extends AnyEvents, R, K extends keyof R> {
  /**
   * `initial` gives the row before its first event. A handler gets a frozen row and returns the next
   * one, whole. It is pure: it may run again for the same event.
   */
  fold(form: {
    readonly initial: (key: R[K]) => R
    readonly on: {
      readonly [T in EventTypeOf<S>]?: (row: Readonly<R>, event: EventOf<S, T>) => R | typeof remove
    }
  }): FoldProjection
}

export interface SqlBuilder<S extends AnyEvents, DB> {
  /**
   * Handlers run in the transaction that stores the checkpoint, in log order. Relative updates are
   * safe. `trx` and `db` are bound to the schema of the projection's version.
   */
  sql(form: {
    readonly migrate: (db: Kysely<DB>) => Promise<void>
    readonly on: {
      readonly [T in EventTypeOf<S>]?: (
        event: EventOf<S, T>,
        context: { readonly trx: Transaction<DB> },
      ) => Promise<void>
    }
  }): SqlProjection
}

const NAME = /^[a-z][a-z0-9_]{0,39}$/

/**
 * Defines a projection in two steps, of which the first fixes the types that the second infers:
 *
 *     defineProjection({ name, version, from: OrderEvents, into: t('order_summary', …) }).fold({ … })
 *     defineProjection({ name, version, from: OrderEvents, schema: t }).sql({ … })
 */
export function defineProjection<S extends AnyEvents, R, K extends keyof R>(
  header: Header<S> & {
    readonly into: TableOf<R, K>
    /** Key of the row that an event changes; default: the event's own key. */
    readonly key?: (event: EventOf<S>) => NoInfer<R[K]>
  },
): FoldBuilder<S, R, K>
export function defineProjection<S extends AnyEvents, DB>(
  header: Header<S> & { readonly schema: TablesOf<DB> },
): SqlBuilder<S, DB>
export function defineProjection(
  header: Header<AnyEvents, AnyEvent> & {
    readonly into?: Table
    readonly key?: (event: AnyEvent) => RowKey
  },
): unknown {
  const common = commonOf(header)
  // The overloads above give the handlers their types; behind them, an event is `AnyEvent`.
  return {
    fold: (form: Pick<FoldProjection, 'initial' | 'on'>) =>
      checked({
        ...common,
        kind: 'fold',
        table: header.into as Table,
        rowKey: header.key ?? ((event) => event.key),
        ...form,
      }),
    sql: (form: Pick<SqlProjection, 'migrate' | 'on'>) =>
      checked({ ...common, kind: 'sql', ...form }),
  }
}

const DEFAULT_RETRY_BASE: Duration = '100ms'
const DEFAULT_RETRY_MAX: Duration = '30s'

function commonOf(header: Header<AnyEvents, AnyEvent>): Common {
  const { name, version, from, errors } = header
  if (!NAME.test(name)) throw new TypeError(`"${name}" is not a lower-case projection name`)
  if (!Number.isInteger(version) || version < 1) {
    throw new TypeError(`${name}: ${version} is not a version; versions count from 1`)
  }
  return {
    name,
    version,
    events: from,
    classify: errors?.classify ?? (() => undefined),
    retry: {
      retries: errors?.retry?.retries ?? 0,
      baseMs: durationMs(errors?.retry?.base ?? DEFAULT_RETRY_BASE),
      maxMs: durationMs(errors?.retry?.max ?? DEFAULT_RETRY_MAX),
    },
  }
}

function checked(projection: Projection): Projection {
  for (const type of Object.keys(projection.on)) {
    if (!Object.hasOwn(projection.events.definitions, type)) {
      throw new TypeError(`${projection.name} handles ${type}, which its events do not define`)
    }
  }
  return Object.freeze(projection)
}
