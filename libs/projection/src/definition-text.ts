import type { AnyEvents } from '@fairlead/avro'
import type { Projection } from './definition.ts'
import { leaveToDefault } from './error-rules.ts'
import { sourceText } from './source-text.ts'
import type { Table } from './table.ts'

/**
 * The text of everything in a definition that decides about rows. Its hash is stored with the
 * version: two definitions with different texts are two versions.
 *
 * Comments and white space do not count. Limits: functions that handlers call are not part of the text,
 * nor are the schemas of the events, which evolve compatibly.
 */
export function definitionText(projection: Projection): string {
  const handlers = Object.keys(projection.on)
    .sort()
    .map((type) => [type, sourceText(projection.on[type])])
  const topics = projection.sources.map(({ topic }) => topic)
  const common: unknown[] = [
    projection.name,
    projection.version,
    topics.length === 1 ? topics[0] : topics,
    handlers,
  ]
  if (projection.enrich !== undefined) common.push({ enrich: sourceText(projection.enrich) })
  if (projection.enrichEach !== undefined) {
    common.push({ enrichEach: sourceText(projection.enrichEach) })
  }
  // For how long ids are kept decides about no row.
  if (projection.inbox !== undefined) common.push({ inbox: true })
  if (projection.tenants !== undefined) common.push({ tenants: projection.tenants })
  const upcasts = projection.sources.flatMap(upcastParts)
  if (upcasts.length > 0) common.push({ upcasts })
  const classify = sourceText(projection.classify)
  if (classify !== sourceText(leaveToDefault)) common.push({ classify })
  switch (projection.kind) {
    case 'fold': {
      const { rowKey, initial } = projection
      const parts = [...tableParts(projection.table), sourceText(rowKey), sourceText(initial)]
      return JSON.stringify([...common, ...parts])
    }
    case 'commutative': {
      const { rowKey, operations } = projection
      const columns = Object.entries(operations).sort(([a], [b]) => (a < b ? -1 : 1))
      return JSON.stringify([
        ...common,
        ...tableParts(projection.table),
        sourceText(rowKey),
        columns,
      ])
    }
    case 'sql':
      return JSON.stringify([...common, sourceText(projection.migrate)])
  }
}

function upcastParts({ upcasts }: AnyEvents): readonly unknown[] {
  return Object.entries(upcasts)
    .sort(([one], [other]) => (one < other ? -1 : 1))
    .map(([type, byVersion]) => [
      type,
      Object.entries(byVersion).map(([version, upcast]) => [version, sourceText(upcast)]),
    ])
}

/** Indexes and fillfactor decide about no row. */
function tableParts({ name, keyColumn, columns }: Table): readonly unknown[] {
  return [name, keyColumn, Object.entries(columns)]
}
