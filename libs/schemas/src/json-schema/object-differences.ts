import { additionalDifferences } from './additional-differences.ts'
import { type Comparing, limitChange } from './comparing.ts'
import type { JsonDifference } from './difference.ts'
import type { JsonSchema, ObjectSchema } from './json-schema.ts'
import { setChange } from './set-change.ts'

/** `properties`, `required`, `dependencies`, `additionalProperties` and the limits on their number. */
export function objectDifferences(
  comparing: Comparing,
  old: ObjectSchema,
  next: ObjectSchema,
  path: string,
): JsonDifference[] {
  const names = new Set([...old.properties.keys(), ...next.properties.keys()])
  return [
    ...requiredDifferences(old, next, path),
    ...[...names].flatMap((name) => ofProperty(comparing, { old, next, name }, path)),
    ...dependencyDifferences(comparing, old, next, path),
    ...additionalDifferences(comparing, {
      old: old.additional,
      next: next.additional,
      path: `${path}/additionalProperties`,
      type: 'ADDITIONAL_PROPERTIES',
    }),
    ...limitChange(
      old.maxProperties,
      next.maxProperties,
      { name: 'maxProperties', type: 'MAX_PROPERTIES' },
      path,
    ),
    ...limitChange(
      old.minProperties,
      next.minProperties,
      { name: 'minProperties', type: 'MIN_PROPERTIES' },
      path,
    ),
  ]
}

/** Of properties that both schemas name. */
function requiredDifferences(
  old: ObjectSchema,
  next: ObjectSchema,
  path: string,
): JsonDifference[] {
  return [...old.properties.keys()].flatMap((name): JsonDifference[] => {
    const property = next.properties.get(name)
    const isRequired = next.required.has(name)
    if (property === undefined || old.required.has(name) === isRequired) return []
    let change = 'REMOVED'
    if (isRequired) change = property.hasDefault ? 'WITH_DEFAULT_ADDED' : 'ADDED'
    return [{ type: `REQUIRED_ATTRIBUTE_${change}`, path: `${path}/required/${name}` }]
  })
}

type Property = { readonly old: ObjectSchema; readonly next: ObjectSchema; readonly name: string }

function ofProperty(comparing: Comparing, property: Property, objectPath: string) {
  const { old, next, name } = property
  const path = `${objectPath}/properties/${name}`
  const [before, after] = [old.properties.get(name), next.properties.get(name)]
  if (before !== undefined && after !== undefined) return comparing.compare(before, after, path)
  if (before !== undefined) return ofRemoved(comparing, before, property, path)
  return after === undefined ? [] : ofAdded(comparing, after, property, path)
}

function ofRemoved(
  comparing: Comparing,
  before: JsonSchema,
  { next, name }: Property,
  path: string,
): JsonDifference[] {
  if (isOpen(next)) return [{ type: 'PROPERTY_REMOVED_FROM_OPEN_CONTENT_MODEL', path }]
  const cover = coveringSchema(comparing, next, name)
  if (cover === undefined) {
    const what = before.kind === 'nothing' ? 'PROPERTY_WITH_FALSE' : 'PROPERTY'
    return [{ type: `${what}_REMOVED_FROM_CLOSED_CONTENT_MODEL`, path }]
  }
  const differences = comparing.compare(before, cover, path)
  const isCovered = comparing.isCompatible(differences) ? 'IS' : 'NOT'
  const type = `PROPERTY_REMOVED_${isCovered}_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL`
  return [...differences, { type, path }]
}

function ofAdded(
  comparing: Comparing,
  after: JsonSchema,
  { old, next, name }: Property,
  path: string,
): JsonDifference[] {
  const isRequired = next.required.has(name)
  let what = 'OPTIONAL_PROPERTY'
  if (isRequired) what = after.hasDefault ? 'REQUIRED_PROPERTY_WITH_DEFAULT' : 'REQUIRED_PROPERTY'
  if (isOpen(old)) {
    const added = after.kind === 'any' ? 'PROPERTY_WITH_EMPTY_SCHEMA' : what
    return [{ type: `${added}_ADDED_TO_OPEN_CONTENT_MODEL`, path }]
  }
  const ofModel = { type: `${what}_ADDED_TO_UNOPEN_CONTENT_MODEL`, path }
  const cover = coveringSchema(comparing, old, name)
  if (cover === undefined) return [ofModel]
  const differences = comparing.compare(cover, after, path)
  const isCovered = comparing.isCompatible(differences) ? 'IS' : 'NOT'
  const type = `PROPERTY_ADDED_${isCovered}_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL`
  return [...differences, { type, path }, ofModel]
}

/** Whatever it does not name may be there, with any value. */
function isOpen({ patternProperties, additional }: ObjectSchema): boolean {
  return patternProperties.size === 0 && additional === true
}

/** The schema of a property that is not named, when the model is partially open. */
function coveringSchema(
  comparing: Comparing,
  schema: ObjectSchema,
  name: string,
): JsonSchema | undefined {
  for (const [pattern, cover] of schema.patternProperties) {
    if (comparing.matches(pattern, name)) return cover
  }
  return typeof schema.additional === 'boolean' ? undefined : schema.additional
}

function dependencyDifferences(
  comparing: Comparing,
  old: ObjectSchema,
  next: ObjectSchema,
  objectPath: string,
): JsonDifference[] {
  const differences: JsonDifference[] = []
  for (const name of new Set([...old.requiredWith.keys(), ...next.requiredWith.keys()])) {
    const change = listChange(old.requiredWith.get(name), next.requiredWith.get(name))
    if (change === undefined) continue
    const path = `${objectPath}/dependencies/${name}`
    differences.push({ type: `DEPENDENCY_ARRAY_${change}`, path })
  }
  for (const name of new Set([...old.schemaWith.keys(), ...next.schemaWith.keys()])) {
    const path = `${objectPath}/dependencies/${name}`
    const [before, after] = [old.schemaWith.get(name), next.schemaWith.get(name)]
    if (before !== undefined && after !== undefined) {
      differences.push(...comparing.compare(before, after, path))
    } else {
      const change = after === undefined ? 'REMOVED' : 'ADDED'
      differences.push({ type: `DEPENDENCY_SCHEMA_${change}`, path })
    }
  }
  return differences
}

function listChange(
  old: ReadonlySet<string> | undefined,
  next: ReadonlySet<string> | undefined,
): string | undefined {
  if (next === undefined) return 'REMOVED'
  return old === undefined ? 'ADDED' : setChange(old, next)
}
