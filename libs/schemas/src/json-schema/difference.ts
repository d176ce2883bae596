/** What changed from one JSON Schema to another, in Confluent's names. */
export type JsonDifference = {
  readonly type: string
  /** As in `#/properties/a`. */
  readonly path: string
}

/** Differences under which everything that was valid stays valid. */
const COMPATIBLE: ReadonlySet<string> = new Set([
  'TYPE_EXTENDED',
  'MAX_LENGTH_INCREASED',
  'MAX_LENGTH_REMOVED',
  'MIN_LENGTH_DECREASED',
  'MIN_LENGTH_REMOVED',
  'PATTERN_REMOVED',
  'MAXIMUM_INCREASED',
  'MAXIMUM_REMOVED',
  'MINIMUM_DECREASED',
  'MINIMUM_REMOVED',
  'EXCLUSIVE_MAXIMUM_INCREASED',
  'EXCLUSIVE_MAXIMUM_REMOVED',
  'EXCLUSIVE_MINIMUM_DECREASED',
  'EXCLUSIVE_MINIMUM_REMOVED',
  'MULTIPLE_OF_REDUCED',
  'MULTIPLE_OF_REMOVED',
  'REQUIRED_ATTRIBUTE_WITH_DEFAULT_ADDED',
  'REQUIRED_ATTRIBUTE_REMOVED',
  'DEPENDENCY_ARRAY_NARROWED',
  'DEPENDENCY_ARRAY_REMOVED',
  'DEPENDENCY_SCHEMA_REMOVED',
  'MAX_PROPERTIES_INCREASED',
  'MAX_PROPERTIES_REMOVED',
  'MIN_PROPERTIES_DECREASED',
  'MIN_PROPERTIES_REMOVED',
  'ADDITIONAL_PROPERTIES_ADDED',
  'ADDITIONAL_PROPERTIES_EXTENDED',
  'PROPERTY_WITH_EMPTY_SCHEMA_ADDED_TO_OPEN_CONTENT_MODEL',
  'REQUIRED_PROPERTY_WITH_DEFAULT_ADDED_TO_UNOPEN_CONTENT_MODEL',
  'OPTIONAL_PROPERTY_ADDED_TO_UNOPEN_CONTENT_MODEL',
  'PROPERTY_WITH_FALSE_REMOVED_FROM_CLOSED_CONTENT_MODEL',
  'PROPERTY_REMOVED_FROM_OPEN_CONTENT_MODEL',
  'PROPERTY_ADDED_IS_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL',
  'PROPERTY_REMOVED_IS_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL',
  'MAX_ITEMS_INCREASED',
  'MAX_ITEMS_REMOVED',
  'MIN_ITEMS_DECREASED',
  'MIN_ITEMS_REMOVED',
  'MAX_CONTAINS_INCREASED',
  'MAX_CONTAINS_REMOVED',
  'MIN_CONTAINS_DECREASED',
  'MIN_CONTAINS_REMOVED',
  'UNIQUE_ITEMS_REMOVED',
  'ADDITIONAL_ITEMS_ADDED',
  'ADDITIONAL_ITEMS_EXTENDED',
  'ITEM_WITH_EMPTY_SCHEMA_ADDED_TO_OPEN_CONTENT_MODEL',
  'ITEM_ADDED_TO_CLOSED_CONTENT_MODEL',
  'ITEM_WITH_FALSE_REMOVED_FROM_CLOSED_CONTENT_MODEL',
  'ITEM_REMOVED_FROM_OPEN_CONTENT_MODEL',
  'ITEM_ADDED_IS_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL',
  'ITEM_REMOVED_IS_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL',
  'ENUM_ARRAY_EXTENDED',
  'COMBINED_TYPE_EXTENDED',
  'PRODUCT_TYPE_NARROWED',
  'SUM_TYPE_EXTENDED',
  'NOT_TYPE_NARROWED',
])

/** What `compatibilityPolicy: LENIENT` allows beyond that: documents rarely hold what no schema names. */
const COMPATIBLE_IF_LENIENT: ReadonlySet<string> = new Set([
  'OPTIONAL_PROPERTY_ADDED_TO_OPEN_CONTENT_MODEL',
  'REQUIRED_PROPERTY_WITH_DEFAULT_ADDED_TO_OPEN_CONTENT_MODEL',
  'ADDITIONAL_PROPERTIES_REMOVED',
  'ADDITIONAL_PROPERTIES_NARROWED',
  'PROPERTY_REMOVED_FROM_CLOSED_CONTENT_MODEL',
  'PROPERTY_REMOVED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL',
])

export function isCompatibleChange({ type }: JsonDifference, isLenient: boolean): boolean {
  return COMPATIBLE.has(type) || (isLenient && COMPATIBLE_IF_LENIENT.has(type))
}

const SENTENCES: readonly (readonly [RegExp, string])[] = [
  [/^TYPE_NARROWED$/, 'takes integers only, where the {old} schema takes any number'],
  [/^TYPE_CHANGED$/, 'has another type than in the {old} schema'],
  [/_TO_OPEN_CONTENT_MODEL$/, 'names a part for which the {old} schema takes any value'],
  [/^REQUIRED_/, 'is required, but not in the {old} schema, and has no default'],
  [/_NOT_COVERED_BY_/, 'does not fit what the other schema says of unnamed parts'],
  [/_REMOVED_FROM_CLOSED_/, 'is missing, and the {new} schema takes nothing that it does not name'],
  [/^ADDITIONAL_.*REMOVED$/, 'takes nothing that it does not name; the {old} schema does'],
  [/^SUM_TYPE_NARROWED$/, 'has fewer alternatives than the {old} schema'],
  [/^PRODUCT_TYPE_EXTENDED$/, 'demands more than the {old} schema'],
  [/^NOT_TYPE_EXTENDED$/, 'excludes more than the {old} schema'],
  [/^COMBINED_TYPE_SUBSCHEMAS_CHANGED$/, 'has parts that match none of the {old} schema'],
  [/_ADDED$/, 'has a rule that the {old} schema does not have'],
  [/_(INCREASED|DECREASED|NARROWED|EXTENDED|EXPANDED)$/, 'is stricter than in the {old} schema'],
]

/** The difference in one sentence; `{new}` is the schema that has to read. */
export function differenceSentence(
  { type, path }: JsonDifference,
  names: { readonly reader: string; readonly writer: string },
): string {
  const [, predicate = 'differs from the {old} schema'] =
    SENTENCES.find(([pattern]) => pattern.test(type)) ?? []
  return `The ${names.reader} schema at path '${path}' ${predicate}`
    .replaceAll('{old}', names.writer)
    .replaceAll('{new}', names.reader)
}
