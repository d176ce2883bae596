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
  readonly id: number
  readonly key: number
  readonly route: number
  readonly payload: number
  readonly payloadTypeOid: number
  readonly type: number | undefined
  readonly timestamp: number | undefined
  readonly headers: number | undefined
  readonly trace: number | undefined
}

/** The columns, or the reason why the relation cannot be an outbox. */
export function outboxColumns(relation: Relation, fields: OutboxFields): OutboxColumns | string {
  const find = (name: string): number | undefined => {
    const index = relation.columns.findIndex((column) => column.name === name)
    return index < 0 ? undefined : index
  }
  const id = find(fields.id)
  const key = find(fields.key)
  const route = find(fields.route)
  const payload = find(fields.payload)
  if (id === undefined || key === undefined || route === undefined || payload === undefined) {
    const missing = [fields.id, fields.key, fields.route, fields.payload].filter(
      (name) => find(name) === undefined,
    )
    return `${relation.schema}.${relation.table} has no column ${missing.join(', ')}`
  }
  return {
    id,
    key,
    route,
    payload,
    payloadTypeOid: relation.columns[payload]?.typeOid ?? 0,
    type: find(fields.type),
    timestamp: find(fields.timestamp),
    headers: find(fields.headers),
    trace: find(fields.trace),
  }
}
