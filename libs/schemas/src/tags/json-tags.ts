import type { JsonObject, JsonValue } from '@fairlead/avro'
import { type EntityChange, TAGS_MEMBER, changedTags } from './schema-tags.ts'

/** The tags that stand in an object of Avro's or JSON Schema's text. */
export function tagsIn(value: JsonValue | undefined): readonly string[] {
  if (value?.kind !== 'array') return []
  const texts = value.items.flatMap((item) => (item.kind === 'string' ? [item.value] : []))
  return [...new Set(texts)]
}

/** The text with other tags: each change is of the object that `find` names for it. */
export function withChangedTags(
  json: JsonValue,
  changes: readonly EntityChange[],
  find: (change: EntityChange) => JsonObject,
): JsonValue {
  const tagsOf = new Map<JsonObject, readonly string[]>()
  for (const change of changes) {
    // Two paths may lead to one object.
    const object = find(change)
    const current = tagsOf.get(object) ?? tagsIn(object.members.get(TAGS_MEMBER))
    tagsOf.set(object, changedTags(current, change))
  }
  return retagged(json, tagsOf)
}

function retagged(json: JsonValue, tagsOf: ReadonlyMap<JsonObject, readonly string[]>): JsonValue {
  if (json.kind === 'array') {
    return { ...json, items: json.items.map((item) => retagged(item, tagsOf)) }
  }
  if (json.kind !== 'object') return json
  const members = new Map<string, JsonValue>()
  for (const [name, value] of json.members) members.set(name, retagged(value, tagsOf))
  const tags = tagsOf.get(json)
  if (tags !== undefined) {
    const { position } = json
    const items = tags.map((value) => ({ kind: 'string', value, position }) as const)
    if (items.length === 0) members.delete(TAGS_MEMBER)
    else members.set(TAGS_MEMBER, { kind: 'array', items, position })
  }
  return { ...json, members }
}
