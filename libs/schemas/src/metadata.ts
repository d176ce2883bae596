import {
  type JsonArray,
  type JsonObject,
  type JsonString,
  type JsonValue,
  compareText,
  sortMembers,
  writeJson,
  writeJsonString,
} from '@fairlead/avro'
import { type Outcome, failed, success } from './failure.ts'

/**
 * What a version carries beside its schema: `metadata` (tags, properties, sensitive) and `ruleSet`
 * (migration, domain and encoding rules). Kept as JSON; both are part of the content.
 */
export type SchemaExtras = {
  readonly metadata?: JsonObject
  readonly ruleSet?: JsonObject
}

/** `null` members are the same as absent ones. */
export function definedMembers(json: JsonObject): JsonObject {
  const members = [...json.members].filter(([, value]) => value.kind !== 'null')
  return { ...json, members: new Map(members) }
}

/** Equal texts are equal extras. */
export function extrasKey({ metadata, ruleSet }: SchemaExtras): string {
  return [metadata, ruleSet]
    .map((part) => (part === undefined ? '' : writeJson(sortMembers(part))))
    .join(' ')
}

/** One property of the metadata. */
export function metadataProperty({ metadata }: SchemaExtras, name: string): string | undefined {
  const properties = metadata?.members.get('properties')
  const value = properties?.kind === 'object' ? properties.members.get(name) : undefined
  return value?.kind === 'string' ? value.value : undefined
}

/** Later ones win, member by member: the defaults, what is given, the overrides. */
export function mergeExtras(...layers: readonly SchemaExtras[]): SchemaExtras {
  const metadata = mergeAll(
    layers.map((layer) => layer.metadata),
    mergeMetadata,
  )
  const ruleSet = mergeAll(
    layers.map((layer) => layer.ruleSet),
    mergeRules,
  )
  return {
    ...(metadata === undefined ? {} : { metadata }),
    ...(ruleSet === undefined ? {} : { ruleSet }),
  }
}

function mergeAll(
  parts: readonly (JsonObject | undefined)[],
  merge: (base: JsonValue, over: JsonValue) => JsonValue,
): JsonObject | undefined {
  let merged: JsonObject | undefined
  for (const part of parts) {
    if (part === undefined) continue
    merged = merged === undefined ? part : mergeObjects(merged, part, merge)
  }
  return merged
}

function mergeObjects(
  base: JsonObject,
  over: JsonObject,
  merge: (base: JsonValue, over: JsonValue) => JsonValue,
): JsonObject {
  const members = new Map(base.members)
  for (const [name, value] of over.members) {
    const below = members.get(name)
    members.set(name, below === undefined ? value : merge(below, value))
  }
  return { ...base, members }
}

/** Tags and properties by their names, lists of texts as sets. */
function mergeMetadata(base: JsonValue, over: JsonValue): JsonValue {
  if (base.kind === 'object' && over.kind === 'object') {
    return sortMembers(mergeObjects(base, over, (_base, value) => value))
  }
  if (base.kind !== 'array' || over.kind !== 'array') return over
  return textSet({ ...over, items: [...base.items, ...over.items] })
}

/** Lists of rules by the rules' names; what is new comes last, as in Confluent's registry. */
function mergeRules(base: JsonValue, over: JsonValue): JsonValue {
  if (base.kind !== 'array' || over.kind !== 'array') return over
  const names = new Set(over.items.map(ruleName))
  return {
    ...over,
    items: [...base.items.filter((rule) => !names.has(ruleName(rule))), ...over.items],
  }
}

function ruleName(rule: JsonValue): string {
  return writeJson(rule.kind === 'object' ? (rule.members.get('name') ?? rule) : rule)
}

/** The rules of `base` with others: those of `merge` replace or follow, those named in `remove` go. */
export function changedRuleSet(
  base: JsonObject | undefined,
  { merge, remove }: { readonly merge: JsonObject | undefined; readonly remove: readonly string[] },
): JsonObject | undefined {
  const merged = mergeAll([base, merge], mergeRules)
  if (merged === undefined || remove.length === 0) return merged
  const removed = new Set(remove.map(writeJsonString))
  const members = new Map(merged.members)
  for (const list of RULE_LISTS) {
    const rules = members.get(list)
    if (rules?.kind !== 'array') continue
    members.set(list, {
      ...rules,
      items: rules.items.filter((rule) => !removed.has(ruleName(rule))),
    })
  }
  return { ...merged, members }
}

/**
 * Metadata as Confluent's registry keeps it: tags, properties and sensitive names, sorted, each once, and
 * nothing else; texts in place of numbers and booleans. Undefined for what is no metadata.
 */
export function canonicalMetadata(json: JsonObject): JsonObject | undefined {
  const members = new Map<string, JsonValue>()
  for (const [name, canonical] of METADATA_MEMBERS) {
    const value = json.members.get(name)
    if (value === undefined || value.kind === 'null') continue
    const kept = canonical(value)
    if (kept === undefined) return undefined
    const size = kept.kind === 'object' ? kept.members.size : kept.items.length
    if (size > 0) members.set(name, kept)
  }
  return { ...json, members }
}

type Canonical = (value: JsonValue) => JsonObject | JsonArray | undefined

const METADATA_MEMBERS: readonly (readonly [string, Canonical])[] = [
  ['tags', (value) => eachMember(value, textSetOf)],
  ['properties', (value) => eachMember(value, plainTextOf)],
  ['sensitive', textSetOf],
]

function eachMember(
  json: JsonValue,
  canonical: (value: JsonValue) => JsonValue | undefined,
): JsonObject | undefined {
  if (json.kind !== 'object') return undefined
  const members: (readonly [string, JsonValue])[] = []
  for (const [name, value] of json.members) {
    if (value.kind === 'null') continue
    const kept = canonical(value)
    if (kept === undefined) return undefined
    members.push([name, kept])
  }
  members.sort(([left], [right]) => compareText(left, right))
  return { ...json, members: new Map(members) }
}

function textSetOf(json: JsonValue): JsonArray | undefined {
  if (json.kind !== 'array') return undefined
  const items = json.items.map(plainTextOf)
  return items.every((item) => item !== undefined) ? textSet({ ...json, items }) : undefined
}

function textSet(list: JsonArray): JsonArray {
  const items = new Map(list.items.map((item) => [writeJson(item), item]))
  return {
    ...list,
    items: [...items].sort(([left], [right]) => compareText(left, right)).map(([, item]) => item),
  }
}

function plainTextOf(json: JsonValue): JsonString | undefined {
  if (json.kind === 'string') return json
  const isPlain = json.kind === 'integer' || json.kind === 'decimal' || json.kind === 'boolean'
  return isPlain ? { kind: 'string', value: writeJson(json), position: json.position } : undefined
}

const RULE_LISTS = ['migrationRules', 'domainRules', 'encodingRules']

/** Whether one of the rules has this type, such as `CEL` or `ENCRYPT`. */
export function hasRuleOfType({ ruleSet }: SchemaExtras, type: string): boolean {
  return RULE_LISTS.some((list) => {
    const rules = ruleSet?.members.get(list)
    if (rules?.kind !== 'array') return false
    return rules.items.some((rule) => {
      const value = rule.kind === 'object' ? rule.members.get('type') : undefined
      return value?.kind === 'string' && value.value === type
    })
  })
}

const RULE_KINDS = ['TRANSFORM', 'CONDITION']

/** Confluent's 42210: a rule has a name, a kind and a type. */
export function checkRuleSet(ruleSet: JsonObject | undefined): Outcome<void> {
  for (const list of RULE_LISTS) {
    const rules = ruleSet?.members.get(list)
    if (rules === undefined || rules.kind === 'null') continue
    if (rules.kind !== 'array')
      return failed('INVALID_RULESET', `Invalid ruleset: ${list} is no list`)
    for (const [index, rule] of rules.items.entries()) {
      const problem = ruleProblem(rule)
      if (problem !== undefined) {
        return failed('INVALID_RULESET', `Invalid ruleset: ${list}[${index}] ${problem}`)
      }
    }
  }
  return success(undefined)
}

function ruleProblem(rule: JsonValue): string | undefined {
  if (rule.kind !== 'object') return 'is no object'
  const [name, kind, type] = ['name', 'kind', 'type'].map((member) => {
    const value = rule.members.get(member)
    return value?.kind === 'string' ? value.value : ''
  })
  if (name === '') return 'has no name'
  if (type === '') return 'has no type'
  return RULE_KINDS.includes(kind ?? '') ? undefined : `: kind is one of ${RULE_KINDS.join(', ')}`
}

/**
 * The texts that Confluent adds to the hash of the content, in its order: each map sorted by name,
 * with a mark before each part that is there.
 */
export function extrasHashTexts({ metadata, ruleSet }: SchemaExtras): readonly string[] {
  return [metadata, ruleSet].flatMap((part) =>
    part === undefined ? [] : ['\u0001', ...texts(part)],
  )
}

function texts(value: JsonValue): string[] {
  switch (value.kind) {
    case 'object':
      return [...value.members]
        .sort(([left], [right]) => compareText(left, right))
        .flatMap(([name, member]) => [name, ...texts(member)])
    case 'array':
      return value.items.flatMap(texts)
    case 'string':
      return [value.value]
    case 'null':
      return []
    case 'boolean':
    case 'integer':
    case 'decimal':
      return [writeJson(value)]
  }
}
