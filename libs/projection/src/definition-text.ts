import type { Projection } from './definition.ts'

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
  const common = [projection.name, projection.version, projection.events.topic, handlers]
  switch (projection.kind) {
    case 'fold': {
      const { table, rowKey, initial } = projection
      const columns = Object.entries(table.columns)
      const parts = [table.name, table.keyColumn, columns, sourceOf(rowKey), sourceOf(initial)]
      return JSON.stringify([...common, ...parts])
    }
    case 'sql':
      return JSON.stringify([...common, sourceOf(projection.migrate)])
  }
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
