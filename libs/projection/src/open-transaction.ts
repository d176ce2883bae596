import type { KyselyPlugin, OperationNode, RawNode } from 'kysely'

/** Blanks and comments ahead of a statement. */
const AHEAD = /^(?:\s|--[^\n]*(?:\n|$)|\/\*[^]*?\*\/)*/
/** All that begins or ends a transaction; a rollback to a savepoint does not. */
const ENDING =
  /^(?:abort|begin|commit|end|prepare\s+transaction|rollback(?!(?:\s+(?:work|transaction))?\s+to\b)|start\s+transaction)\b/i

/**
 * For the handlers of an event: refuses the statements that would end the transaction of their batch, with the
 * checkpoint in it. What comes behind would be applied without one, and lost or counted twice after a crash.
 */
export const keepsTransaction: KyselyPlugin = {
  transformQuery: ({ node }) => {
    const text = beginningOf(node).replace(AHEAD, '')
    const [statement] = ENDING.exec(text) ?? []
    if (statement === undefined) return node
    throw new TypeError(
      `a handler runs in the transaction of its batch, and "${statement.toLowerCase()}" would end it: roll back to a savepoint of its own, or throw for the event to be set aside`,
    )
  },
  transformResult: ({ result }) => Promise.resolve(result),
}

/** The text of raw SQL, up to the first value in it. */
function beginningOf(node: OperationNode): string {
  if (!isRaw(node)) return ''
  const [first = ''] = node.sqlFragments
  const [inserted] = node.parameters
  return first.trim() === '' && inserted !== undefined ? beginningOf(inserted) : first
}

function isRaw(node: OperationNode): node is RawNode {
  return node.kind === 'RawNode'
}
