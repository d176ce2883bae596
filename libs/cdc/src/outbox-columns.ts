import type { Relation } from './pgoutput-message.ts'

/** Names of the columns of an outbox table. Debezium's option is named where there is one. */
export type OutboxFields = {
  /** `table.field.event.id` */
  readonly id: string
  /** `table.field.event.key` */
  readonly key: string
  /** `route.by.field` */
  readonly route: string
  /** `table.field.event.payload` */
  readonly payload: string
  readonly type: string
  /** `table.field.event.timestamp`; a table without it gets the commit time. */
  readonly timestamp: string
  /** A JSON object; a table without it has no headers of its own. */
  readonly headers: string
  /** `tracing.span.context.field`; may be absent. */
  readonly trace: string
}

/** Index of each column in the rows of one relation. */
export type OutboxColumns = {
  readonly id: number | undefined
  readonly key: number | undefined
  readonly route: number | undefined
  readonly payload: number | undefined
  readonly payloadTypeOid: number
  readonly type: number | undefined
  readonly timestamp: number | undefined
  readonly headers: number | undefined
  readonly trace: number | undefined
  /** Required columns that the table has not: none of its rows can be routed. */
  readonly missing: readonly string[]
}

/** Without these columns a table is no outbox. */
export function requiredColumns(fields: OutboxFields): readonly string[] {
  return [fields.id, fields.key, fields.route, fields.payload]
}

export function outboxColumns(relation: Relation, fields: OutboxFields): OutboxColumns {
  const find = (name: string): number | undefined => {
    const index = relation.columns.findIndex((column) => column.name === name)
    return index < 0 ? undefined : index
  }
  const payload = find(fields.payload)
  return {
    id: find(fields.id),
    key: find(fields.key),
    route: find(fields.route),
    payload,
    payloadTypeOid: payload === undefined ? 0 : (relation.columns[payload]?.typeOid ?? 0),
    type: find(fields.type),
    timestamp: find(fields.timestamp),
    headers: find(fields.headers),
    trace: find(fields.trace),
    missing: requiredColumns(fields).filter((name) => find(name) === undefined),
  }
}
