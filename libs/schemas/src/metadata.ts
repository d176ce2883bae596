import {
  type JsonObject,
  type JsonValue,
  compareText,
  sortMembers,
  writeJson,
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
    mergeJson,
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

/** Objects by member, lists of texts as sets. */
function mergeJson(base: JsonValue, over: JsonValue): JsonValue {
  if (base.kind === 'object' && over.kind === 'object') return mergeObjects(base, over, mergeJson)
  if (base.kind !== 'array' || over.kind !== 'array') return over
  const items = new Map([...base.items, ...over.items].map((item) => [writeJson(item), item]))
  return { ...over, items: [...items.values()] }
}

/** Lists of rules by the rules' names. */
function mergeRules(base: JsonValue, over: JsonValue): JsonValue {
  if (base.kind !== 'array' || over.kind !== 'array') return over
  const nameOf = (rule: JsonValue): string =>
    rule.kind === 'object' ? writeJson(rule.members.get('name') ?? rule) : writeJson(rule)
  const rules = new Map([...base.items, ...over.items].map((rule) => [nameOf(rule), rule]))
  return { ...over, items: [...rules.values()] }
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
