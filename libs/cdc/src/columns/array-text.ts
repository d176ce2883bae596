/**
 * The elements of an array in Postgres' text form, `{1,NULL,"a \"b\""}`; those of a nested one are
 * its text. Undefined when it is no array, as one with bounds of its own (`[2:3]={…}`) is none here.
 */
export function arrayElements(text: string): readonly (string | null)[] | undefined {
  const body = text.startsWith('[') ? text.slice(text.indexOf('=') + 1) : text
  if (!body.startsWith('{') || !body.endsWith('}')) return undefined
  const elements: (string | null)[] = []
  let position = 1
  while (position < body.length - 1) {
    const start = position
    if (body[position] === '"') {
      position = quotedEnd(body, position)
      elements.push(body.slice(start + 1, position - 1).replaceAll(/\\(.)/gs, '$1'))
    } else {
      position = plainEnd(body, position)
      const element = body.slice(start, position)
      elements.push(element.toUpperCase() === 'NULL' ? null : element)
    }
    position += 1
  }
  return elements
}

function quotedEnd(text: string, from: number): number {
  let position = from + 1
  while (position < text.length && text[position] !== '"') {
    position += text[position] === '\\' ? 2 : 1
  }
  return position + 1
}

/** A nested array may have commas and quotes of its own. */
function plainEnd(text: string, from: number): number {
  let depth = 0
  let position = from
  while (position < text.length - 1) {
    const character = text[position]
    if (character === '"') {
      position = quotedEnd(text, position)
      continue
    }
    if (character === ',' && depth === 0) return position
    if (character === '{') depth += 1
    if (character === '}') depth -= 1
    position += 1
  }
  return position
}
