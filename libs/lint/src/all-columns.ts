/** What may hold a `*` that is none of the statement: comments, and texts in quotes. */
const OPAQUE = /--[^\n]*|\/\*[\s\S]*?\*\/|'(?:[^']|'')*'|\$(\w*)\$[\s\S]*?\$\1\$/g
const PARENTHESES = /\([^()]*\)/g
/** The first one outside of parentheses is that of the statement. */
const VERB = /\b(?:select|table|values|insert|update|delete|merge)\b/i
const RETURNING = /\breturning\b/i
/** `*` or `t.*` as an item of a select list: behind what begins one, or behind a comma. */
const ALL_COLUMNS =
  /(?:\bselect\b(?:\s+(?:all|distinct)\b(?:\s+on\s*\(\s*\))?)?|\breturning\b|,)\s*(?:(?:"[^"]*"|[\w$]+)\s*\.\s*)*\*|^\s*table\s/i
const PREPARE = /^\s*prepare\s+(?:"[^"]*"|[\w$]+)(?:\s*\(\s*\))?\s+as\b/i

/**
 * Whether the columns that a statement returns are whatever its tables have on the day: `select *`, `select t.*`,
 * `returning *`, `table t`. What subqueries select is not looked at, as the names of outer columns are given.
 */
export function returnsAllColumns(statement: string): boolean {
  const outer = outerText(statement)
  const verb = VERB.exec(outer)?.[0].toLowerCase()
  if (verb === undefined) return false
  const isRead = verb === 'select' || verb === 'table' || verb === 'values'
  // What an insert selects is not returned.
  return ALL_COLUMNS.test(
    isRead ? outer : outer.slice(RETURNING.exec(outer)?.index ?? outer.length),
  )
}

/** Whether it is SQL that names a statement itself: `prepare … as select *`. */
export function preparesAllColumns(statement: string): boolean {
  const outer = outerText(statement)
  return PREPARE.test(outer) && returnsAllColumns(outer.replace(PREPARE, ''))
}

/** Without comments, quoted texts, and what is in parentheses. */
function outerText(statement: string): string {
  let text = statement.replace(OPAQUE, ' ')
  for (let inner = text; ; text = inner) {
    inner = text.replace(PARENTHESES, NOTHING_WITHIN)
    if (inner === text) return text.replaceAll(NOTHING_WITHIN, '()')
  }
}

/** Stands for a pair of parentheses; no text of SQL has it in it. */
const NOTHING_WITHIN = '\u0000'
