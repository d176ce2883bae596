import { EVENT_HEADERS } from '@fairlead/base'
import {
  type EventPosition,
  type OutboxRouter,
  type Relation,
  type RoutedEvent,
  type TableCapture,
  type UnroutableEvent,
  tupleOf,
} from '@fairlead/cdc'
import type pg from 'pg'
import {
  type EventOrigin,
  insertOf,
  originOf,
  originWithRow,
  routedOrigin,
} from '../parked/stored-event.ts'
import type { PublishedPart, TableRow } from '../table/table-reader.ts'
import type { SnapshotType } from './snapshot-progress.ts'

export type SnapshotTablesOptions = {
  /** `table.include.list`, with their publication. */
  readonly outbox: { readonly tables: readonly string[]; readonly publicationName: string }
  readonly router: OutboxRouter
  /** Undefined when no table is captured. */
  readonly captured:
    | {
        readonly tables: readonly string[]
        readonly publicationName: string
        readonly capture: TableCapture
      }
    | undefined
}

/** A row of a chunk as it is published. */
export type SnapshotEvent = {
  readonly event: RoutedEvent | UnroutableEvent
  readonly origin: EventOrigin
}

const REPLAYED_HEADER = [EVENT_HEADERS.replayed, new TextEncoder().encode('true')] as const

/** The tables that snapshots read, and what becomes of their rows: events, or `op: r` of an envelope. */
export class SnapshotTables {
  readonly #options: SnapshotTablesOptions

  constructor(options: SnapshotTablesOptions) {
    this.#options = options
  }

  /** As `schema.table`. */
  get names(): readonly string[] {
    const { outbox, captured } = this.#options
    return [...outbox.tables, ...(captured?.tables ?? [])]
  }

  isCaptured(table: string): boolean {
    return this.#options.captured?.tables.includes(table) === true
  }

  /** What of the table its publication has. @throws {Error} when it is not published. */
  async publishedPart(client: pg.ClientBase, table: string): Promise<PublishedPart> {
    const part = await this.findPublishedPart(client, table)
    if (part !== undefined) return part
    throw new Error(`publication ${this.#publicationOf(table)} does not publish ${table}`)
  }

  /** Undefined when it is not published. */
  async findPublishedPart(
    client: pg.ClientBase,
    table: string,
  ): Promise<PublishedPart | undefined> {
    // Before PostgreSQL 15 a publication has neither lists of columns nor filters of rows.
    const { rows } = await client.query<PublishedPart>(
      `select to_jsonb(p) ->> 'rowfilter' as "rowFilter",
         (select array_agg(name) from jsonb_array_elements_text(to_jsonb(p) -> 'attnames') as name)
           as columns
       from pg_publication_tables as p
       where pubname = $1 and schemaname || '.' || tablename = $2`,
      [this.#publicationOf(table), table],
    )
    return rows[0]
  }

  #publicationOf(table: string): string {
    const { outbox, captured } = this.#options
    const isCaptured = captured?.tables.includes(table) === true
    return isCaptured ? captured.publicationName : outbox.publicationName
  }

  /** Undefined for a row that is no event. */
  eventOf(
    relation: Relation,
    row: TableRow,
    place: {
      readonly position: EventPosition
      readonly commitTimestampMs: number
      readonly type: SnapshotType
    },
  ): SnapshotEvent | undefined {
    const { router, captured } = this.#options
    if (captured?.capture.captures(relation) === true) {
      const snapshot = place.type === 'initial' ? 'true' : 'incremental'
      const event = captured.capture.read({ ...place, relation, tuple: tupleOf(row), snapshot })
      return { event: replayed(event), origin: originOf(relation) }
    }
    return outboxEventOf(router, relation, row, place)
  }
}

/** Of a row of an outbox table; undefined when it is no event. */
export function outboxEventOf(
  router: OutboxRouter,
  relation: Relation,
  row: TableRow,
  place: { readonly position: EventPosition; readonly commitTimestampMs: number },
): SnapshotEvent | undefined {
  const change = insertOf(place, relation, row)
  const outcome = router.route(change)
  if (outcome.kind === 'routed') {
    return { event: replayed(outcome), origin: routedOrigin(change, router) }
  }
  if (outcome.kind === 'unroutable') return { event: outcome, origin: originWithRow(change) }
  return undefined
}

/** Its place in its topic says nothing of what else was published. */
function replayed(event: RoutedEvent | UnroutableEvent): RoutedEvent | UnroutableEvent {
  if (event.kind === 'unroutable') return event
  return event.with({ headers: [...event.headers, REPLAYED_HEADER] })
}
