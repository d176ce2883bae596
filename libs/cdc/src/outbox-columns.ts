import type { Relation } from './pgoutput-message.ts'

/**
 * Names of the columns of an outbox table; an empty name is no column. Debezium's option is named
 * where there is one.
 */
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
  /** `table.field.event.schema.version`: an integer, the version of the value's schema. */
  readonly schemaVersion: string
  /** Names the tenant of the event, see {@link TenantRouting}. */
  readonly tenant: string
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
  readonly tenant: number | undefined
  /** Required columns that the table has not: none of its rows can be routed. */
  readonly missing: readonly string[]
}

/** Without these columns a table is no outbox. */
export function requiredColumns(fields: OutboxFields): readonly string[] {
  const { id, key, route, payload, schemaVersion, tenant } = fields
  return [id, key, route, payload, schemaVersion, tenant].filter((name) => name !== '')
}

export function outboxColumns(
  relation: Relation,
  fields: OutboxFields,
  placedColumns: readonly string[],
): OutboxColumns {
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
    tenant: find(fields.tenant),
    missing: [...requiredColumns(fields), ...placedColumns].filter(
      (name) => find(name) === undefined,
    ),
  }
}
