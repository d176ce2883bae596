/**
 * The entries of a JSON object, each value as it is written: `{"n": 1.10}` gives `1.10`, where
 * JSON.parse would give 1.1 and round what exceeds a double. Undefined when the text is not one
 * JSON object.
 */
export function jsonObjectEntries(
  text: string,
): readonly (readonly [name: string, json: string])[] | undefined {
  if (!isJsonObject(text)) return undefined
  const entries: (readonly [string, string])[] = []
  // The text is valid JSON from here on, so the scan need not check it again.
  let position = skipSpace(text, text.indexOf('{') + 1)
  while (text[position] !== '}') {
    const nameEnd = stringEnd(text, position)
    const name = JSON.parse(text.slice(position, nameEnd)) as string
    const start = skipSpace(text, skipSpace(text, nameEnd) + 1)
    const end = valueEnd(text, start)
    entries.push([name, text.slice(start, end)])
    position = skipSpace(text, end)
    if (text[position] === ',') position = skipSpace(text, position + 1)
  }
  return entries
}

function isJsonObject(text: string): boolean {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null && !Array.isArray(value)
  } catch {
    return false
  }
}

function skipSpace(text: string, from: number): number {
  let position = from
  while (' \t\n\r'.includes(text[position] ?? 'x')) position += 1
  return position
}

/** Position after the string that starts at `from`. */
function stringEnd(text: string, from: number): number {
  let position = from + 1
  while (text[position] !== '"') position += text[position] === '\\' ? 2 : 1
  return position + 1
}

/** Position after the value that starts at `from`. */
function valueEnd(text: string, from: number): number {
  let depth = 0
  let position = from
  for (;;) {
    const character = text[position] ?? '}'
    if (character === '"') {
      position = stringEnd(text, position)
      if (depth === 0) return position
      continue
    }
    if (depth === 0 && ',} \t\n\r'.includes(character)) return position
    if ('{['.includes(character)) depth += 1
    if (']}'.includes(character)) depth -= 1
    position += 1
    if (depth === 0 && ']}'.includes(character)) return position
  }
}
