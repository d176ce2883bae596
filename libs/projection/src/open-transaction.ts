import type { KyselyPlugin, OperationNode, RawNode } from 'kysely'

/** All that begins or ends a transaction; a rollback to a savepoint does not. */
const ENDING =
  /^(?:abort|begin|commit|end|prepare\s+transaction|rollback(?!(?:\s+(?:work|transaction))?\s+to\b)|start\s+transaction)\b/i
/** No statement without one of these words is one of them. */
const SUSPECT = /\b(?:abort|begin|commit|end|prepare|rollback|start)\b/i

/**
 * For the handlers of an event: refuses the statements that would end the transaction of their batch, with the
 * checkpoint in it. What comes behind would be applied without one, and lost or counted twice after a crash.
 */
export const keepsTransaction: KyselyPlugin = {
  transformQuery: ({ node }) => {
    const text = textOf(node)
    if (!SUSPECT.test(text)) return node
    for (const statement of statementsOf(text)) {
      const [ending] = ENDING.exec(statement.trimStart()) ?? []
      if (ending !== undefined) throw new TypeError(refusalOf(ending))
    }
    return node
  },
  transformResult: ({ result }) => Promise.resolve(result),
}

function refusalOf(ending: string): string {
  const words = ending.toLowerCase().replace(/\s+/, ' ')
  return `a handler runs in the transaction of its batch, and "${words}" would end it: roll back to a savepoint of its own, or throw for the event to be set aside`
}

/** Of raw SQL, without what is no SQL in it; values are blanks. */
function textOf(node: OperationNode): string {
  if (!isRaw(node)) return ' '
  const parts = node.sqlFragments.map((fragment, index) => {
    const inserted = node.parameters[index]
    return inserted === undefined ? fragment : `${fragment}${textOf(inserted)}`
  })
  return parts.join('')
}

function isRaw(node: OperationNode): node is RawNode {
  return node.kind === 'RawNode'
}

/**
 * What a semicolon says nothing in, as the scanner of Postgres has it: texts with escapes, texts, identifiers, texts
 * in dollars, comments; and words, which may end in an `e` or hold dollars. One without an end goes to that of the text.
 */
const OPAQUE =
  /[eE]'[^'\\]*(?:(?:\\[^]|'')[^'\\]*)*(?:'|$)|'[^']*(?:'|$)|"[^"]*(?:"|$)|\$(?<tag>[a-z_\u0080-\uffff][\w\u0080-\uffff]*)?\$[^]*?(?:\$\k<tag>\$|$)|--[^\n\r]*|\/\*|(?<word>[a-z_\u0080-\uffff][\w$\u0080-\uffff]*)/gi

/** The statements of a text that is sent as one, with blanks for texts, comments and identifiers in quotes. */
function statementsOf(text: string): readonly string[] {
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
