import { preparesAllColumns, returnsAllColumns } from './all-columns.ts'
import { type Node, propertyOf, textOf } from './syntax.ts'

const MESSAGE =
  'A named statement keeps the columns that its views had when it was prepared: once a promotion changes them, it fails with 0A000 (cached plan must not change result type). Name the columns, or do not name the statement.'

type Report = { readonly node: Node; readonly messageId: 'named' }

type RuleContext = { readonly report: (report: Report) => void }

/**
 * Refuses `select *` in statements that have a name: `client.query({ name, text })` of `pg`, and `prepare … as` in
 * SQL. Texts are found in literals, templates, and constants of the same module; those that come from elsewhere
 * are not seen.
 */
export const noNamedSelectStar = {
  meta: {
    type: 'problem',
    docs: { description: 'Disallow `select *` in named (prepared) statements.' },
    messages: { named: MESSAGE },
    schema: [],
  },
  create(context: RuleContext): Readonly<Record<string, (node: Node) => void>> {
    /** Null for a name that is declared more than once: nobody knows which one is meant. */
    const constants = new Map<string, Node | null>()
    const named: Node[] = []
    const report = (node: Node): void => context.report({ node, messageId: 'named' })
    const reportPrepared = (node: Node): void => {
      const text = textOf(node, new Map())
      if (text !== null && preparesAllColumns(text)) report(node)
    }
    return {
      VariableDeclarator: ({ id, init }) => {
        const { name } = id as Node
        if (typeof name !== 'string' || init === null) return
        constants.set(name, constants.has(name) ? null : (init as Node))
      },
      ObjectExpression: (object) => {
        const name = propertyOf(object, 'name')
        if (name !== undefined && name['name'] !== 'undefined') named.push(object)
      },
      Literal: reportPrepared,
      TemplateLiteral: reportPrepared,
      'Program:exit': () => {
        for (const object of named) {
          const statement = propertyOf(object, 'text')
          const text = statement === undefined ? null : textOf(statement, constants)
          if (text !== null && returnsAllColumns(text)) report(object)
        }
      },
    }
  },
} as const
