import type { JsonDifference } from './difference.ts'
import type { JsonSchema } from './json-schema.ts'

/** What the comparison of one kind needs of the whole. */
export interface Comparing {
  compare(old: JsonSchema, next: JsonSchema, path: string): JsonDifference[]
  /** Whether a property's name matches a pattern, as long as the comparison has time for it. */
  matches(pattern: string, name: string): boolean
  /** No difference among them makes a valid document invalid. */
  isCompatible(differences: readonly JsonDifference[]): boolean
}

export type NumberRule = { readonly name: string; readonly type: string }

/** How one limit changed; `name` is its keyword, `type` what Confluent's names begin with. */
export function limitChange(
  old: number | undefined,
  next: number | undefined,
  { name, type }: NumberRule,
  path: string,
): JsonDifference[] {
  if (old === next) return []
  let change = 'REMOVED'
  if (old === undefined) change = 'ADDED'
  else if (next !== undefined) change = old < next ? 'INCREASED' : 'DECREASED'
  return [{ type: `${type}_${change}`, path: `${path}/${name}` }]
}
