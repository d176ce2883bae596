/** As much of ESTree as the rule looks at. */
export type Node = { readonly type: string } & Readonly<Record<string, unknown>>

/** The text of an expression that is written down as one: parts that are not are `?`. Null for any other. */
export function textOf(node: Node, constants: ReadonlyMap<string, Node | null>): string | null {
  switch (node.type) {
    case 'Literal':
      return typeof node['value'] === 'string' ? node['value'] : null
    case 'TemplateLiteral':
      return (node['quasis'] as readonly TemplateElement[])
        .map(({ value }) => value.cooked ?? value.raw)
        .join('?')
    case 'BinaryExpression': {
      if (node['operator'] !== '+') return null
      const parts = [node['left'], node['right']].map((part) => textOf(part as Node, constants))
      return parts.every((part) => part === null) ? null : parts.map((part) => part ?? '?').join('')
    }
    case 'TSAsExpression':
    case 'TSSatisfiesExpression':
      return textOf(node['expression'] as Node, constants)
    case 'Identifier': {
      const name = node['name'] as string
      const constant = constants.get(name)
      const others = new Map([...constants].filter(([each]) => each !== name))
      return constant === undefined || constant === null ? null : textOf(constant, others)
    }
    default:
      return null
  }
}

type TemplateElement = { readonly value: { readonly cooked?: string | null; readonly raw: string } }

/** What an object literal has under a name; undefined where it does not say. */
export function propertyOf(object: Node, name: string): Node | undefined {
  for (const property of object['properties'] as readonly Node[]) {
    if (property.type !== 'Property' || property['computed'] === true) continue
    const key = property['key'] as Node
    if (key['name'] === name || key['value'] === name) return property['value'] as Node
  }
  return undefined
}
