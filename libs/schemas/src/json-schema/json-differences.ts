import { writeJson } from '@fairlead/avro'
import { arrayDifferences } from './array-differences.ts'
import { type Comparing, limitChange } from './comparing.ts'
import { type JsonDifference, isCompatibleChange } from './difference.ts'
import type { CombinedSchema, JsonSchema, NumberSchema, StringSchema } from './json-schema.ts'
import { maximumMatching } from './maximum-matching.ts'
import { objectDifferences } from './object-differences.ts'
import { matchingSteps, patternMatches } from './pattern-matches.ts'
import { setChange } from './set-change.ts'

/** Deeper graphs come from chains of references that were made to exhaust the stack. */
const DEPTH_MAX = 500
/** Pairs of schemas; alternatives are compared each with each. */
const COMPARISONS_MAX = 200_000
/** Of all patterns and names together: a fraction of a second. */
const MATCHING_STEPS_MAX = 20_000_000

/**
 * What changed from `old` to `next`, as Confluent's registry sees it: all of it, or only what makes
 * documents invalid that were valid.
 */
export function jsonDifferences(
  old: JsonSchema,
  next: JsonSchema,
  options: { readonly isLenient: boolean },
): JsonDifference[] {
  return new JsonComparison(options.isLenient).compare(old, next, '#')
}

class JsonComparison implements Comparing {
  readonly #isLenient: boolean
  /** Schemas under comparison: one that is met again inside itself is taken as unchanged. */
  readonly #open = new Set<JsonSchema>()
  #comparisonCount = 0
  #matchingSteps = 0
  #depth = 0

  constructor(isLenient: boolean) {
    this.#isLenient = isLenient
  }

  isCompatible(differences: readonly JsonDifference[]): boolean {
    return differences.every((difference) => isCompatibleChange(difference, this.#isLenient))
  }

  matches(pattern: string, name: string): boolean {
    const stepsMax = MATCHING_STEPS_MAX - this.#matchingSteps
    const steps = matchingSteps(pattern, name)
    if (steps <= stepsMax) this.#matchingSteps += steps
    return patternMatches(pattern, name, stepsMax)
  }

  compare(oldSchema: JsonSchema, nextSchema: JsonSchema, path: string): JsonDifference[] {
    this.#comparisonCount += 1
    if (this.#comparisonCount > COMPARISONS_MAX || this.#depth >= DEPTH_MAX) {
      return [{ type: 'COMPARISON_TOO_LARGE', path }]
    }
    const [old, next] = [target(oldSchema), target(nextSchema)]
    this.#depth += 1
    try {
      return this.#ofAlternatives(old, next, path) ?? this.#ofSameKind(old, next, path)
    } finally {
      this.#depth -= 1
    }
  }

  /** One side alone is a combination: a part of it may be what the other side is. */
  #ofAlternatives(old: JsonSchema, next: JsonSchema, path: string): JsonDifference[] | undefined {
    if (old.kind !== 'combined' && next.kind === 'combined') {
      const isSingle = next.parts.length === 1
      if (!isSingle && next.criterion === 'allOf') return undefined
      for (const part of next.parts) {
        const differences = this.compare(old, part, path)
        if (!this.isCompatible(differences)) continue
        return isSingle ? differences : [...differences, { type: 'SUM_TYPE_EXTENDED', path }]
      }
    }
    if (old.kind === 'combined' && next.kind !== 'combined' && old.parts.length === 1) {
      const [part = old] = old.parts
      const differences = this.compare(part, next, path)
      if (this.isCompatible(differences)) return differences
    }
    return undefined
  }

  #ofSameKind(old: JsonSchema, next: JsonSchema, path: string): JsonDifference[] {
    if (old.kind !== next.kind) {
      const isWider = old.kind === 'nothing' || next.kind === 'any'
      return isWider ? [] : [{ type: 'TYPE_CHANGED', path }]
    }
    if (this.#open.has(old)) return []
    this.#open.add(old)
    try {
      return this.#ofKind(old, next, path)
    } finally {
      this.#open.delete(old)
    }
  }

  #ofKind(old: JsonSchema, next: JsonSchema, path: string): JsonDifference[] {
    if (old.kind === 'string' && next.kind === 'string') return ofStrings(old, next, path)
    if (old.kind === 'number' && next.kind === 'number') return ofNumbers(old, next, path)
    if (old.kind === 'enum' && next.kind === 'enum') return ofEnums(old.values, next.values, path)
    if (old.kind === 'const' && next.kind === 'const') {
      return old.value === next.value ? [] : [{ type: 'CONST_CHANGED', path: `${path}/const` }]
    }
    if (old.kind === 'not' && next.kind === 'not') {
      const reversed = this.compare(next.excluded, old.excluded, `${path}/not`)
      const type = this.isCompatible(reversed) ? 'NOT_TYPE_NARROWED' : 'NOT_TYPE_EXTENDED'
      return [{ type, path: `${path}/not` }]
    }
    if (old.kind === 'combined' && next.kind === 'combined') {
      return this.#ofCombinations(old, next, path)
    }
    if (old.kind === 'object' && next.kind === 'object') {
      return objectDifferences(this, old, next, path)
    }
    if (old.kind === 'array' && next.kind === 'array') {
      return arrayDifferences(this, old, next, path)
    }
    return []
  }

  #ofCombinations(old: CombinedSchema, next: CombinedSchema, path: string): JsonDifference[] {
    const ofCriterion = criterionChange(old, next)
    if (ofCriterion === 'COMBINED_TYPE_CHANGED') return [{ type: ofCriterion, path }]
    const differences: JsonDifference[] = ofCriterion ? [{ type: ofCriterion, path }] : []

    const [oldParts, nextParts] = [distinct(old.parts), distinct(next.parts)]
    const isProduct = next.criterion === 'allOf'
    if (oldParts.length !== nextParts.length) {
      const change = oldParts.length < nextParts.length ? 'EXTENDED' : 'NARROWED'
      differences.push({ type: `${isProduct ? 'PRODUCT' : 'SUM'}_TYPE_${change}`, path })
    }
    return [...differences, ...this.#ofParts(oldParts, nextParts, { path, old })]
  }

  /** Pairs as many parts as there can be. */
  #ofParts(
    old: readonly JsonSchema[],
    next: readonly JsonSchema[],
    at: { readonly path: string; readonly old: CombinedSchema },
  ): JsonDifference[] {
    const unpaired = { type: 'COMBINED_TYPE_SUBSCHEMAS_CHANGED', path: at.path }
    if (this.#comparisonCount + old.length * next.length > COMPARISONS_MAX) {
      // Too many to compare each with each: only those that are not on both sides.
      const [rest, others] = [without(old, next), without(next, old)]
      if (rest.length === 0 || others.length === 0) return []
      return rest.length < old.length ? this.#ofParts(rest, others, at) : [unpaired]
    }
    const compatible = old.map((oldPart, index) =>
      next.map((nextPart) => {
        const found = this.compare(oldPart, nextPart, `${at.path}/${at.old.criterion}/${index}`)
        return this.isCompatible(found) ? found : undefined
      }),
    )
    const matching = maximumMatching(compatible)
    const ofPairs = matching.flatMap(
      ([oldIndex, nextIndex]) => compatible[oldIndex]?.[nextIndex] ?? [],
    )
    const isComplete = matching.length === Math.min(old.length, next.length)
    return isComplete ? ofPairs : [...ofPairs, unpaired]
  }
}

function target(schema: JsonSchema): JsonSchema {
  let found = schema
  // A reference that leads to itself through others says nothing.
  for (let steps = 0; found.kind === 'reference'; steps += 1) {
    if (steps > DEPTH_MAX) return { ...schema, kind: 'any' }
    found = found.target
  }
  return found
}

function distinct(parts: readonly JsonSchema[]): JsonSchema[] {
  return [...new Map(parts.map((part) => [textOf(part), part])).values()]
}

function without(parts: readonly JsonSchema[], others: readonly JsonSchema[]): JsonSchema[] {
  const texts = new Set(others.map(textOf))
  return parts.filter((part) => !texts.has(textOf(part)))
}

function textOf(part: JsonSchema): string {
  return `${part.kind} ${writeJson(part.source)}`
}

function criterionChange(old: CombinedSchema, next: CombinedSchema): string | undefined {
  if (old.criterion === next.criterion) return undefined
  const isSingle = old.parts.length === 1
  const isExtended =
    next.criterion === 'anyOf' ||
    (next.criterion === 'oneOf' && isSingle) ||
    (next.criterion === 'allOf' && isSingle && next.parts.length === 1)
  return isExtended ? 'COMBINED_TYPE_EXTENDED' : 'COMBINED_TYPE_CHANGED'
}

function ofStrings(old: StringSchema, next: StringSchema, path: string): JsonDifference[] {
  const differences = [
    ...limitChange(old.maxLength, next.maxLength, { name: 'maxLength', type: 'MAX_LENGTH' }, path),
    ...limitChange(old.minLength, next.minLength, { name: 'minLength', type: 'MIN_LENGTH' }, path),
  ]
  if (old.pattern === next.pattern) return differences
  let change = 'CHANGED'
  if (old.pattern === undefined) change = 'ADDED'
  else if (next.pattern === undefined) change = 'REMOVED'
  return [...differences, { type: `PATTERN_${change}`, path: `${path}/pattern` }]
}

const NUMBER_LIMITS = [
  ['maximum', 'MAXIMUM'],
  ['minimum', 'MINIMUM'],
  ['exclusiveMaximum', 'EXCLUSIVE_MAXIMUM'],
  ['exclusiveMinimum', 'EXCLUSIVE_MINIMUM'],
] as const

function ofNumbers(old: NumberSchema, next: NumberSchema, path: string): JsonDifference[] {
  const differences = NUMBER_LIMITS.flatMap(([name, type]) =>
    limitChange(old[name], next[name], { name, type }, path),
  )
  differences.push(...ofMultiples(old.multipleOf, next.multipleOf, `${path}/multipleOf`))
  if (old.isInteger !== next.isInteger) {
    differences.push({ type: old.isInteger ? 'TYPE_EXTENDED' : 'TYPE_NARROWED', path })
  }
  return differences
}

function ofMultiples(
  old: number | undefined,
  next: number | undefined,
  path: string,
): JsonDifference[] {
  if (old === next) return []
  let change = 'CHANGED'
  if (old === undefined) change = 'ADDED'
  else if (next === undefined) change = 'REMOVED'
  else if (isMultiple(next, old)) change = 'EXPANDED'
  else if (isMultiple(old, next)) change = 'REDUCED'
  return [{ type: `MULTIPLE_OF_${change}`, path }]
}

function isMultiple(number: number, of: number): boolean {
  const quotient = number / of
  return Math.abs(quotient - Math.round(quotient)) < 1e-9
}

function ofEnums(
  old: ReadonlySet<string>,
  next: ReadonlySet<string>,
  path: string,
): JsonDifference[] {
  const change = setChange(old, next)
  return change === undefined ? [] : [{ type: `ENUM_ARRAY_${change}`, path: `${path}/enum` }]
}
