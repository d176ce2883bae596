/**
 * What a semicolon says nothing in, as the scanner of Postgres has it: texts with escapes, texts, identifiers, texts
 * in dollars, comments; and words, which may end in an `e` or hold dollars. One without an end goes to that of the text.
 */
const OPAQUE =
  /[eE]'[^'\\]*(?:(?:\\[^]|'')[^'\\]*)*(?:'|$)|'[^']*(?:'|$)|"[^"]*(?:"|$)|\$(?<tag>[a-z_\u0080-\uffff][\w\u0080-\uffff]*)?\$[^]*?(?:\$\k<tag>\$|$)|--[^\n\r]*|\/\*|(?<word>[a-z_\u0080-\uffff][\w$\u0080-\uffff]*)/gi

/** The statements of a text that is sent as one, with blanks for texts, comments and identifiers in quotes. */
export function statementsOf(text: string): readonly string[] {
  let plain = ''
  let position = 0
  OPAQUE.lastIndex = 0
  for (let found = OPAQUE.exec(text); found !== null; found = OPAQUE.exec(text)) {
    plain += `${text.slice(position, found.index)}${found.groups?.['word'] ?? ' '}`
    if (found[0] === '/*') OPAQUE.lastIndex = endOfComment(text, OPAQUE.lastIndex)
    position = OPAQUE.lastIndex
  }
  return `${plain}${text.slice(position)}`.split(';')
}

/** Comments of Postgres nest. */
function endOfComment(text: string, begin: number): number {
  const edge = /\/\*|\*\//g
  edge.lastIndex = begin
  for (let depth = 1; depth > 0; ) {
    const found = edge.exec(text)
    if (found === null) return text.length
    depth += found[0] === '/*' ? 1 : -1
  }
  return edge.lastIndex
}
