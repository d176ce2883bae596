import type { Projection } from './definition.ts'
import type { Table } from './table.ts'

/**
 * The text of everything in a definition that decides about rows. Its hash is stored with the
 * version: two definitions with different texts are two versions.
 *
 * White space outside of quotes does not count. Limits: functions that handlers call are not part of
 * the text, nor are the schemas of the events, which evolve compatibly.
 */
export function definitionText(projection: Projection): string {
  const handlers = Object.keys(projection.on)
    .sort()
    .map((type) => [type, sourceOf(projection.on[type])])
  const topics = projection.sources.map(({ topic }) => topic)
  const common: unknown[] = [
    projection.name,
    projection.version,
    topics.length === 1 ? topics[0] : topics,
    handlers,
  ]
  if (projection.enrich !== undefined) common.push({ enrich: sourceOf(projection.enrich) })
  switch (projection.kind) {
    case 'fold': {
      const { rowKey, initial } = projection
      const parts = [...tableParts(projection.table), sourceOf(rowKey), sourceOf(initial)]
      return JSON.stringify([...common, ...parts])
    }
    case 'commutative': {
      const { rowKey, operations } = projection
      const columns = Object.entries(operations).sort(([a], [b]) => (a < b ? -1 : 1))
      return JSON.stringify([...common, ...tableParts(projection.table), sourceOf(rowKey), columns])
    }
    case 'sql':
      return JSON.stringify([...common, sourceOf(projection.migrate)])
  }
}

function tableParts({ name, keyColumn, columns }: Table): readonly unknown[] {
  return [name, keyColumn, Object.entries(columns)]
}

const QUOTES = '\'"`'

/** Source text of a function without the white space that a formatter may change. */
function sourceOf(fn: unknown): string {
  const source = String(fn)
  let text = ''
  let quote = ''
  for (let index = 0; index < source.length; index += 1) {
    const character = source.charAt(index)
    if (quote === '') {
      if (/\s/.test(character)) continue
      if (QUOTES.includes(character)) quote = character
    } else if (character === '\\') {
      index += 1
      text += character + source.charAt(index)
      continue
    } else if (character === quote) {
      quote = ''
    }
    text += character
  }
  return text
}
