import { assertNever } from '@fairlead/base'
import { javaDouble, javaFloat } from './java-number.ts'
import type { JsonDecimal, JsonValue } from './json-value.ts'

const SHORT_ESCAPES: Readonly<Record<string, string>> = {
  '"': '\\"',
  '\\': '\\\\',
  '\b': '\\b',
  '\f': '\\f',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
}

/** Writes compact JSON as Jackson does, character for character. */
export function writeJson(value: JsonValue): string {
  switch (value.kind) {
    case 'null':
      return 'null'
    case 'boolean':
      return String(value.value)
    case 'integer':
      return value.value.toString()
    case 'decimal':
      return writeDecimal(value)
    case 'string':
      return writeJsonString(value.value)
    case 'array':
      return `[${value.items.map(writeJson).join(',')}]`
    case 'object':
      return `{${[...value.members].map(([name, member]) => `${writeJsonString(name)}:${writeJson(member)}`).join(',')}}`
    default:
      return assertNever(value)
  }
}

/** `/` and characters beyond ASCII stay as they are; other control characters become `\u00XX`. */
export function writeJsonString(text: string): string {
  const escaped = text.replace(
    /["\\]|[^ -\uffff]/g,
    (character) =>
      SHORT_ESCAPES[character] ??
      `\\u${character.charCodeAt(0).toString(16).toUpperCase().padStart(4, '0')}`,
  )
  return `"${escaped}"`
}

/** The same value with the members of every object sorted by name. */
export function sortMembers(value: JsonValue): JsonValue {
  switch (value.kind) {
    case 'array':
      return { ...value, items: value.items.map(sortMembers) }
    case 'object': {
      const members = [...value.members]
        .map(([name, member]) => [name, sortMembers(member)] as const)
        .sort(([left], [right]) => compareText(left, right))
      return { ...value, members: new Map(members) }
    }
    case 'null':
    case 'boolean':
    case 'integer':
    case 'decimal':
    case 'string':
      return value
    default:
      return assertNever(value)
  }
}

/** Java's `String.compareTo`: by UTF-16 units, not by locale. */
export function compareText(left: string, right: string): number {
  if (left === right) return 0
  return left < right ? -1 : 1
}

function writeDecimal({ value, isFloat }: JsonDecimal): string {
  const text = isFloat === true ? javaFloat(value) : javaDouble(value)
  return Number.isFinite(value) ? text : `"${text}"`
}
