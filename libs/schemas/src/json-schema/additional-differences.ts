import type { Comparing } from './comparing.ts'
import type { JsonDifference } from './difference.ts'
import type { JsonSchema } from './json-schema.ts'

/** What a schema says of the parts that it does not name: nothing, a schema, or that there are none. */
export function additionalDifferences(
  comparing: Comparing,
  {
    old,
    next,
    path,
    type,
  }: {
    readonly old: JsonSchema | boolean
    readonly next: JsonSchema | boolean
    readonly path: string
    readonly type: string
  },
): JsonDifference[] {
  if ((old === false) !== (next === false)) {
    return [{ type: `${type}_${next === false ? 'REMOVED' : 'ADDED'}`, path }]
  }
  if (typeof old !== 'boolean' && typeof next !== 'boolean') {
    return comparing.compare(old, next, path)
  }
  if (typeof old === typeof next) return []
  return [{ type: `${type}_${typeof old === 'boolean' ? 'NARROWED' : 'EXTENDED'}`, path }]
}
