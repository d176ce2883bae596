import type { ParseMode } from './parse-schema.ts'
import { type FullName, isPrimitiveKind } from './schema.ts'

/** Splits `text` at its last dot; without a dot it belongs to `defaultNamespace`. */
export function fullNameOf(text: string, defaultNamespace: string | undefined): FullName {
  const lastDot = text.lastIndexOf('.')
  if (lastDot >= 0) {
    const namespace = text.slice(0, lastDot)
    return { name: text.slice(lastDot + 1), namespace: namespace || undefined, fullName: text }
  }
  const namespace = defaultNamespace === '' ? undefined : defaultNamespace
  const fullName = namespace === undefined ? text : `${namespace}.${text}`
  return { name: text, namespace, fullName }
}

/** The shortest text that means this type inside `namespace`. */
export function nameWithin(name: FullName, namespace: string | undefined): string {
  if (name.namespace === namespace && !isPrimitiveKind(name.name)) return name.name
  return name.fullName
}

const ASCII_NAME = /^[A-Za-z_][A-Za-z0-9_]*$/
const UNICODE_NAME = /^[\p{L}_][\p{L}\p{Nd}_]*$/u

/** Why `name` is not an Avro name, or undefined. Only `strict` refuses letters beyond ASCII. */
export function nameProblem(name: string, mode: ParseMode): string | undefined {
  const pattern = mode === 'strict' ? ASCII_NAME : UNICODE_NAME
  if (name === '') return 'Empty name'
  if (pattern.test(name)) return undefined
  return pattern.test(name[0] ?? '')
    ? `Illegal character in: ${name}`
    : `Illegal initial character: ${name}`
}
