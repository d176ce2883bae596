/**
 * The text of a function without its comments, and without the white space that a formatter may change:
 * that outside of quotes, templates and regular expressions.
 *
 * Limit: a regular expression behind a closing bracket, as in `if (a) /b/.test(c)`, is taken for a
 * division, and white space in it does not count.
 */
export function sourceText(fn: unknown): string {
  const source = String(fn)
  const kept: string[] = []
  /** For each `${` that is open, how many `{` are open in it. */
  const substitutions: number[] = []
  for (let at = 0; at < source.length; ) {
    const token = tokenAt(source, at, kept.at(-1) ?? '')
    at += token.length
    if (token.startsWith('//') || token.startsWith('/*') || /^\s/.test(token)) continue
    kept.push(token)
    const depth = substitutions.length - 1
    const open = substitutions[depth]
    if (token === '`') at = keepTemplate(source, at, kept, substitutions)
    else if (open === undefined) continue
    else if (token === '{') substitutions[depth] = open + 1
    else if (token === '}' && open > 0) substitutions[depth] = open - 1
    else if (token === '}') {
      substitutions.pop()
      at = keepTemplate(source, at, kept, substitutions)
    }
  }
  return kept.join('')
}

const SPACE_OR_COMMENT = /\s+|\/\/.*|\/\*[^]*?\*\//y
const WORD = /[\w$\u0080-\uffff]+/y
const QUOTED = /'(?:\\[^]|[^'\\])*'|"(?:\\[^]|[^"\\])*"/y
const REGULAR_EXPRESSION = /\/(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\[\n])+\/\w*/y
/** Text of a template, up to its end or to a `${`. */
const TEMPLATE = /(?:\\[^]|\$(?!\{)|[^`\\$])*(?:`|\$\{)?/y
/** Behind a value, `/` divides. */
const VALUE_END = /[\w$\u0080-\uffff'"`)\]}]$|^\/.+/
const OPERATOR_WORD =
  /^(?:await|case|delete|do|else|in|instanceof|new|of|return|throw|typeof|void|yield)$/

function tokenAt(source: string, at: number, before: string): string {
  const isValueBefore = VALUE_END.test(before) && !OPERATOR_WORD.test(before)
  return (
    match(SPACE_OR_COMMENT, source, at) ??
    match(WORD, source, at) ??
    match(QUOTED, source, at) ??
    (isValueBefore ? undefined : match(REGULAR_EXPRESSION, source, at)) ??
    source.charAt(at)
  )
}

/** Keeps the text of a template up to its end, or up to a substitution, which is code again. */
function keepTemplate(source: string, at: number, kept: string[], substitutions: number[]): number {
  const text = match(TEMPLATE, source, at) ?? ''
  kept.push(text)
  if (text.endsWith('${')) substitutions.push(0)
  return at + text.length
}

function match(pattern: RegExp, source: string, at: number): string | undefined {
  pattern.lastIndex = at
  return pattern.exec(source)?.[0]
}
