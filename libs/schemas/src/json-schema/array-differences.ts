import { additionalDifferences } from './additional-differences.ts'
import { type Comparing, limitChange } from './comparing.ts'
import type { JsonDifference } from './difference.ts'
import type { ArraySchema, JsonSchema } from './json-schema.ts'

const LIMITS = [
  ['maxItems', 'MAX_ITEMS'],
  ['minItems', 'MIN_ITEMS'],
  ['maxContains', 'MAX_CONTAINS'],
  ['minContains', 'MIN_CONTAINS'],
] as const

/** `items` in both of its forms, `additionalItems` and the limits on their number. */
export function arrayDifferences(
  comparing: Comparing,
  old: ArraySchema,
  next: ArraySchema,
  path: string,
): JsonDifference[] {
  const differences = [
    ...itemDifferences(comparing, old, next, `${path}/items`),
    ...tupleDifferences(comparing, old, next, `${path}/items`),
    ...additionalDifferences(comparing, {
      old: old.additional,
      next: next.additional,
      path: `${path}/additionalItems`,
      type: 'ADDITIONAL_ITEMS',
    }),
    ...LIMITS.flatMap(([name, type]) => limitChange(old[name], next[name], { name, type }, path)),
  ]
  if (old.isUnique === next.isUnique) return differences
  const type = old.isUnique ? 'UNIQUE_ITEMS_REMOVED' : 'UNIQUE_ITEMS_ADDED'
  return [...differences, { type, path: `${path}/uniqueItems` }]
}

function itemDifferences(
  comparing: Comparing,
  { items: before }: ArraySchema,
  { items: after }: ArraySchema,
  path: string,
): JsonDifference[] {
  if (before === undefined && after === undefined) return []
  if (before === undefined) return [{ type: 'SCHEMA_ADDED', path }]
  // Nothing said about items any more is nothing demanded.
  if (after === undefined) return []
  return comparing.compare(before, after, path)
}

function tupleDifferences(
  comparing: Comparing,
  old: ArraySchema,
  next: ArraySchema,
  itemsPath: string,
): JsonDifference[] {
  const length = Math.max(old.tuple.length, next.tuple.length)
  return Array.from({ length }, (_, index) => index).flatMap((index) => {
    const path = `${itemsPath}/${index}`
    const [before, after] = [old.tuple[index], next.tuple[index]]
    if (before !== undefined && after !== undefined) return comparing.compare(before, after, path)
    if (before !== undefined) return ofRemoved(comparing, before, next.additional, path)
    return after === undefined ? [] : ofAdded(comparing, after, old.additional, path)
  })
}

function ofRemoved(
  comparing: Comparing,
  before: JsonSchema,
  rest: JsonSchema | boolean,
  path: string,
): JsonDifference[] {
  if (rest === true) return [{ type: 'ITEM_REMOVED_FROM_OPEN_CONTENT_MODEL', path }]
  if (rest === false) {
    const what = before.kind === 'nothing' ? 'ITEM_WITH_FALSE' : 'ITEM'
    return [{ type: `${what}_REMOVED_FROM_CLOSED_CONTENT_MODEL`, path }]
  }
  return covered(comparing, comparing.compare(before, rest, path), 'ITEM_REMOVED', path)
}

function ofAdded(
  comparing: Comparing,
  after: JsonSchema,
  rest: JsonSchema | boolean,
  path: string,
): JsonDifference[] {
  if (rest === true) {
    const what = after.kind === 'any' ? 'ITEM_WITH_EMPTY_SCHEMA' : 'ITEM'
    return [{ type: `${what}_ADDED_TO_OPEN_CONTENT_MODEL`, path }]
  }
  if (rest === false) return [{ type: 'ITEM_ADDED_TO_CLOSED_CONTENT_MODEL', path }]
  return covered(comparing, comparing.compare(rest, after, path), 'ITEM_ADDED', path)
}

function covered(
  comparing: Comparing,
  differences: readonly JsonDifference[],
  change: string,
  path: string,
): JsonDifference[] {
  const isCovered = comparing.isCompatible(differences) ? 'IS' : 'NOT'
  const type = `${change}_${isCovered}_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL`
  return [...differences, { type, path }]
}
