import type { AnyEvents, Envelope } from '@fairlead/avro'
import type { Kysely, Transaction } from 'kysely'
import { type BatchBounds, type CheckedBounds, checkedBounds } from './batch-bounds.ts'
import {
  type ChangeOf,
  type Operation,
  type OperationsOf,
  checkedOperations,
} from './commutative-columns.ts'
import { type Duration, durationMs } from './duration.ts'
import { type ErrorOptions, type ErrorRules, errorRulesOf } from './error-rules.ts'
import { eventKeyOf } from './event-key.ts'
import {
  type EventSource,
  type SourceEvent,
  type SourceType,
  refuseLostOrder,
  refuseOtherKeys,
  sourcesOf,
} from './event-source.ts'
import { DEFINITION_PARTS, refuseUnknownParts } from './known-parts.ts'
import type { Row, RowKey, Table, TableOf, TablesOf } from './table.ts'

/** An event of any type, as the engine sees it. */
export type AnyEvent = Envelope<string, unknown>

/**
 * Returned by a fold handler instead of a row: the row is deleted. A projection may be defined with
 * another copy of this package than the one that runs it, so the symbol is of the whole process.
 */
export const remove: unique symbol = Symbol.for('fairlead.projection.remove')

/** A projection, its types erased: what the engine runs. */
export type Projection = FoldProjection | CommutativeProjection | SqlProjection

type Common = ErrorRules &
  CheckedBounds & {
    readonly name: string
    readonly version: number
    /** The event sets that it reads; each is of a topic of its own. */
    readonly sources: readonly AnyEvents[]
    /** Looks up what handlers need beside their events, for a whole batch at once. */
    readonly enrich?: Enrich
    /** Looks up what the handler of one event needs, outside of any transaction. */
    readonly enrichEach?: (event: AnyEvent, context: LookUpContext) => unknown
    /** Keys of which look-ups and effects run at the same time; undefined: 1. */
    readonly concurrency?: number
    /** Undefined where positions alone tell what repeats. */
    readonly inbox?: InboxOptions
    /** Undefined where events of several tenants are applied as if they were one's. */
    readonly tenants?: TenantMode
  }

/** What `enrichEach` gets beside its event. */
export type LookUpContext = { readonly signal: AbortSignal }

/**
 * How tenants are kept apart, beyond their keys: `row` applies events tenant by tenant, with the setting
 * `app.tenant`, in tables that they share; `schema` in tables of their own, too.
 */
type TenantMode = 'row' | 'schema'

type InboxOptions = {
  /** Ids are known for so long. */
  readonly retentionMs: number
}

/** A pure function per event type: rows in, rows out. Batched, and exact about who failed. */
export type FoldProjection = Common & {
  readonly kind: 'fold'
  readonly table: Table
  readonly rowKey: (event: AnyEvent) => RowKey
  /** Events of several keys, and so of several partitions, may change one row. */
  readonly mayShareRows: boolean
  readonly initial: (key: RowKey) => Row
  readonly on: Readonly<Record<string, FoldHandler>>
}

export type FoldHandler = (row: Row, event: AnyEvent, enriched?: unknown) => Row | typeof remove

/**
 * What each event adds to a row, by operations that commute: rows are changed without being read, by
 * events in any order, of any partition and topic.
 */
export type CommutativeProjection = Common & {
  readonly kind: 'commutative'
  readonly table: Table
  readonly rowKey: (event: AnyEvent) => RowKey
  /** Of every column but the key. */
  readonly operations: Readonly<Record<string, Operation>>
  readonly on: Readonly<Record<string, ChangeHandler>>
}

export type ChangeHandler = (event: AnyEvent, enriched?: unknown) => Row

type Enrich = (events: readonly AnyEvent[], context: { readonly db: Kysely<unknown> }) => unknown

/** A function per event type that changes tables in the batch's transaction. */
export type SqlProjection = Common & {
  readonly kind: 'sql'
  /** Creates the tables; runs once per version, in the schema of the version. */
  readonly migrate: (db: Kysely<unknown>) => Promise<void>
  readonly on: Readonly<Record<string, SqlHandler>>
}

type SqlHandler = (event: AnyEvent, context: SqlContext<unknown, unknown>) => Promise<void>

/** What a handler is given beside its event. */
export type SqlContext<DB, X> = {
  /** Bound to the schema of the version; commits with the checkpoint. */
  readonly trx: Transaction<DB>
  readonly enriched: X
  /**
   * The event's side effects are another version's: this one is being rebuilt, or the one before it
   * has had them. Of all versions of a projection, one sees an event with `replay` false.
   */
  readonly replay: boolean
  /**
   * Runs `effect` once the transaction has committed, unless `replay`. At most once: a process that
   * dies in between does not run it, nor does one that gives the partition up, 3 s later. What must not be
   * lost belongs into an outbox, in `trx`. The partition waits for it, for 30 s at most; a failure is logged and
   * counted. Give the `signal` to what waits: it is aborted when nobody waits for the effect any more.
   */
  readonly liveOnly: (effect: (context: { readonly signal: AbortSignal }) => Promise<void>) => void
}

type Header<F extends EventSource, DB, X, E = SourceEvent<F>> = {
  /** Lower case; with the version it names the schema `rm_<name>_v<version>`. */
  readonly name: string
  /** From 1. A change of code or columns needs a new one. */
  readonly version: number
  /**
   * One event set, or several, of a topic each. Topics have no order among each other: what reads
   * several of them has to be commutative.
   */
  readonly from: F
  readonly errors?: ErrorOptions<E>
  /**
   * For topics that somebody else than the relay writes to, and may send an event to again: an event
   * counts once by the id in its header `id`, which every record must have. Ids are kept for
   * `retention`, 1 hour at least. An event that is older than that is parked, as nobody can tell any more
   * whether it was applied. Costs a row for each event; events of the relay need none of it.
   */
  readonly inbox?: { readonly retention: Duration }
  /**
   * How tenants are kept apart, beyond their keys. The events of a batch are then applied tenant by
   * tenant: handlers, `enrich` and the statements of the engine run with `app.tenant` set to whose
   * events they are, for policies of row-level security. With `row`, tenants share the tables, whose
   * keys must have the tenant in them. With `schema`, each has tables of its own: the same definition
   * in a schema for each, shown by views in the schema `tenant_<name>` instead of `public`.
   */
  readonly tenants?: TenantMode
  /**
   * Looks up what the handlers need, once for all events of a batch, in the transaction of the batch.
   * Handlers get what it returns, a `Map` as a rule. A rebuild looks up what is there then.
   */
  readonly enrich?: (events: readonly E[], context: { readonly db: Kysely<DB> }) => Promise<X> | X
  /**
   * In place of `enrich`, for what is not in the database: asks another service for one event. Its
   * handler gets what it returns. It is called before the transaction of the batch, in lanes (see
   * `concurrency`), again when the process dies before the commit, and in each rebuild. What it throws
   * counts as thrown by the handler; a peer that is away pauses the partition, and so does a call
   * that does not end within 30 s. Give the `signal` to what waits (`fetch`, for example): it is aborted
   * when nobody waits for the answer any more.
   */
  readonly enrichEach?: (event: E, context: LookUpContext) => Promise<X> | X
  /**
   * Keys of which calls of `enrichEach`, and effects of `liveOnly`, run at the same time. Those of one
   * key run one after the other, in the order of their events. Default 1: all do, in the order of the
   * log; with `tenants`, effects of a batch tenant by tenant, and of each in that order. At most 256.
   */
  readonly concurrency?: number
  /** No part of the code of a version. */
  readonly batch?: BatchBounds
}

export interface RowsBuilder<F extends EventSource, R, K extends keyof R, X> {
  /**
   * `initial` gives the row before its first event. A handler gets a frozen row and returns the next
   * one, whole. It is pure: it may run again for the same event.
   *
   * @throws {TypeError} when `from` names several topics, or there is a `key` and no `order`.
   */
  fold(form: {
    readonly initial: (key: R[K]) => R
    readonly on: {
      readonly [T in SourceType<F>]?: (
        row: Readonly<R>,
        event: SourceEvent<F, T>,
        enriched: X,
      ) => R | typeof remove
    }
  }): FoldProjection

  /**
   * `columns` names for each column but the key how changes of it add up: `inc` adds numbers, `max` and
   * `min` keep the largest or smallest value; text is compared by its code points. A handler returns
   * what its event adds. A column that it leaves out stays as it is; in a new row it is 0, or null.
   *
   * @throws {TypeError} when a column has an operation that its SQL type does not have.
   */
  commutative<const O extends OperationsOf<R, K>>(form: {
    readonly columns: O
    readonly on: {
      readonly [T in SourceType<F>]?: (event: SourceEvent<F, T>, enriched: X) => ChangeOf<R, K, O>
    }
  }): CommutativeProjection
}

export interface SqlBuilder<F extends EventSource, DB, X> {
  /**
   * Handlers run in the transaction that stores the checkpoint, in log order. Relative updates are
   * safe. `trx` and `db` are bound to the schema of the projection's version.
   *
   * @throws {TypeError} when `from` names several topics.
   */
  sql(form: {
    readonly migrate: (db: Kysely<DB>) => Promise<void>
    readonly on: {
      readonly [T in SourceType<F>]?: (
        event: SourceEvent<F, T>,
        context: SqlContext<DB, X>,
      ) => Promise<void>
    }
  }): SqlProjection
}

const NAME = /^[a-z][a-z0-9_]{0,39}$/

/** With tables that `migrate` makes: handlers in SQL follow, as `.sql({ … })`. */
export function defineProjection<const F extends EventSource, DB, X = undefined>(
  header: Header<F, DB, X> & { readonly schema: TablesOf<DB> },
): SqlBuilder<F, DB, X>
/**
 * Defines a projection in two steps, of which the first fixes the types that the second infers:
 *
 *     defineProjection({ name, version, from: OrderEvents, into: t('order_summary', …) }).fold({ … })
 *     defineProjection({ name, version, from: [A, B], into: t('totals', …) }).commutative({ … })
 *     defineProjection({ name, version, from: OrderEvents, schema: t }).sql({ … })
 */
// Behind the other one: of the last overload the compiler tells why a header does not fit.
export function defineProjection<
  const F extends EventSource,
  R,
  K extends keyof R,
  DB,
  X = undefined,
>(
  header: Header<F, DB, X> & {
    readonly into: TableOf<R, K, DB>
    /**
     * Key of the row that an event changes; default: the event's own key, as a number where the column has
     * numbers. Events of different keys, and so
     * of different partitions, then meet in one row in no certain order.
     */
    readonly key?: (event: SourceEvent<F>) => NoInfer<R[K]>
    /**
     * Of a fold with a `key`, which is refused without it: its rows come to the same in whatever order
     * events of different keys come, since what they do commutes, or since all events of a row have
     * one key, of which `key` makes a longer one. `chaos` finds out whether that is so. Such a fold
     * applies the batches of its partitions one at a time: they may read and write the same rows.
     */
    readonly order?: 'none'
  },
): RowsBuilder<F, R, K, X>
export function defineProjection(
  header: Header<EventSource, unknown, unknown, AnyEvent> & {
    readonly into?: Table
    readonly key?: (event: AnyEvent) => RowKey
    readonly order?: 'none'
  },
): unknown {
  const common = commonOf(header)
  refuseOther(common.name, 'key', header.key)
  refuseOtherOrder(common.name, header.order)
  const rowsOf = () => {
    const table = tableOf(common.name, header.into)
    return { table, rowKey: header.key ?? eventKeyOf(table) }
  }
  // The overloads above give the handlers their types; behind them, an event is `AnyEvent`.
  return {
    fold: (form: Pick<FoldProjection, 'initial' | 'on'>) => {
      const rows = rowsOf()
      refuseUnknownParts(`${common.name}: its fold`, form, ['initial', 'on'])
      refuseOther(common.name, 'initial', form.initial, true)
      refuseLostOrder(common)
      const mayShareRows = header.key !== undefined
      if (mayShareRows && header.order === undefined) refuseOtherKeys(common)
      return checked({ ...common, ...rows, kind: 'fold', mayShareRows, ...form })
    },
    commutative: (
      form: { columns: Record<string, Operation> } & Pick<CommutativeProjection, 'on'>,
    ) => {
      const { columns, on } = form
      const rows = rowsOf()
      refuseUnknownParts(`${common.name}: its changes`, form, ['columns', 'on'])
      const operations = checkedOperations(rows.table, columns)
      return checked({ ...common, ...rows, kind: 'commutative', operations, on })
    },
    sql: (form: Pick<SqlProjection, 'migrate' | 'on'>) => {
      if (header.into !== undefined) {
        throw new TypeError(
          `${common.name}: handlers in SQL have the tables that migrate makes: give schema: tables<DB>() in the place of into`,
        )
      }
      if (header.key !== undefined || header.order !== undefined) {
        throw new TypeError(
          `${common.name}: handlers in SQL change rows of whatever key, and events come in the order of their own: leave key and order out`,
        )
      }
      refuseUnknownParts(`${common.name}: its SQL`, form, ['migrate', 'on'])
      refuseOther(common.name, 'migrate', form.migrate, true)
      refuseLostOrder(common)
      return checked({ ...common, kind: 'sql', ...form })
    },
  }
}

/** Types say so, too; a definition in JavaScript may have anything. @throws {TypeError} */
function refuseOther(name: string, field: string, value: unknown, isRequired = false): void {
  if (typeof value === 'function' || (value === undefined && !isRequired)) return
  throw new TypeError(`${name}: ${field} is a function, not ${shownType(value)}`)
}

/** What a definition in JavaScript asks for beyond it would go unheeded. @throws {TypeError} */
function refuseOtherOrder(name: string, order: unknown): void {
  if (order === undefined || order === 'none') return
  throw new TypeError(
    `${name}: order is 'none', which goes with a key, or left out, not ${JSON.stringify(order)}`,
  )
}

function tableOf(name: string, into: unknown): Table {
  const table = into as Partial<Table> | null | undefined
  if (typeof table?.name === 'string' && typeof table.keyColumn === 'string') return into as Table
  throw new TypeError(
    `${name}: into is what tables<DB>() makes of a table, its key and its columns, not ${shownType(into)}`,
  )
}

function shownType(value: unknown): string {
  return value === null || value === undefined ? String(value) : `a value of type ${typeof value}`
}

/** Versions are integers of Postgres. */
const VERSION_MAX = 2 ** 31 - 1
/** No service is to be asked by more at once, for each partition, by one line of a definition. */
const CONCURRENCY_MAX = 256
/** What clocks of producers and projectors are apart must be small beside it. */
const INBOX_RETENTION_MIN_MS = 3_600_000

function commonOf(header: Header<EventSource, unknown, unknown, AnyEvent>): Common {
  const { name, version, from, errors, enrich, enrichEach, concurrency, batch, inbox, tenants } =
    header
  if (typeof name !== 'string' || !NAME.test(name)) {
    throw new TypeError(
      `"${name}" is not a lower-case projection name: a letter, and up to 39 letters, digits and underscores behind it`,
    )
  }
  if (!Number.isInteger(version) || version < 1 || version > VERSION_MAX) {
    throw new TypeError(
      `${name}: ${version} is not a version; versions count from 1, to ${VERSION_MAX}`,
    )
  }
  refuseUnknownParts(name, header, DEFINITION_PARTS)
  for (const [field, value] of Object.entries({ enrich, enrichEach })) {
    refuseOther(name, field, value)
  }
  refuseOther(name, 'errors.classify', errors?.classify)
  if (enrich !== undefined && enrichEach !== undefined) {
    throw new TypeError(`${name}: handlers are given what one of enrich and enrichEach returns`)
  }
  return {
    name,
    version,
    sources: sourcesOf(name, from),
    ...(enrich === undefined ? {} : { enrich }),
    ...(enrichEach === undefined ? {} : { enrichEach }),
    ...(concurrency === undefined ? {} : { concurrency: checkedConcurrency(name, concurrency) }),
    ...(batch === undefined ? {} : checkedBounds(name, batch)),
    ...(inbox === undefined ? {} : { inbox: inboxOptions(name, inbox) }),
    ...(tenants === undefined ? {} : { tenants: checkedMode(name, tenants) }),
    ...errorRulesOf(name, errors),
  }
}

function checkedConcurrency(name: string, concurrency: number): number {
  const isValid = concurrency >= 1 && concurrency <= CONCURRENCY_MAX
  if (Number.isInteger(concurrency) && isValid) return concurrency
  throw new TypeError(`${name}: a concurrency is from 1 to ${CONCURRENCY_MAX}, not ${concurrency}`)
}

function checkedMode(name: string, tenants: TenantMode): TenantMode {
  // A definition in JavaScript may say anything.
  if (tenants === 'row' || tenants === 'schema') return tenants
  throw new TypeError(
    `${name}: tenants are kept apart by 'row' or 'schema', not by ${String(tenants)}`,
  )
}

function inboxOptions(name: string, inbox: { readonly retention: Duration }): InboxOptions {
  refuseUnknownParts(`${name}: inbox`, inbox, ['retention'])
  const { retention } = inbox
  const retentionMs = durationMs(retention)
  if (retentionMs >= INBOX_RETENTION_MIN_MS) return { retentionMs }
  throw new TypeError(`${name}: an inbox keeps ids for an hour at least, not for ${retention}`)
}

function checked(projection: Projection): Projection {
  const handlers: unknown = projection.on
  if (typeof handlers !== 'object' || handlers === null) {
    throw new TypeError(
      `${projection.name}: on has a handler for each type of event, not ${shownType(handlers)}`,
    )
  }
  for (const [type, handler] of Object.entries(handlers)) {
    refuseOther(projection.name, `on.${type}`, handler)
    if (!projection.sources.some(({ definitions }) => Object.hasOwn(definitions, type))) {
      throw new TypeError(`${projection.name} handles ${type}, which its events do not define`)
    }
  }
  return Object.freeze(projection)
}
