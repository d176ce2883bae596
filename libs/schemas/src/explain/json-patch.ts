import type { JsonArray, JsonObject, JsonValue } from '@fairlead/avro'

/** One change of a JSON text (RFC 6902). */
export type PatchOperation =
  | { readonly op: 'add' | 'replace'; readonly path: string; readonly value: JsonValue }
  | { readonly op: 'remove'; readonly path: string }

/** What a pointer (RFC 6901) leads to; undefined when it leads nowhere. */
export function valueAt(json: JsonValue, pointer: string): JsonValue | undefined {
  let value: JsonValue | undefined = json
  for (const part of partsOf(pointer)) {
    if (value?.kind === 'object') value = value.members.get(part)
    else if (value?.kind === 'array' && isIndex(part)) value = value.items[Number(part)]
    else return undefined
  }
  return value
}

/** The text after all operations; undefined when one of them does not apply. */
export function patched(
  json: JsonValue,
  operations: readonly PatchOperation[],
): JsonValue | undefined {
  let result: JsonValue | undefined = json
  for (const operation of operations) {
    if (result === undefined) return undefined
    result = changed(result, partsOf(operation.path), operation)
  }
  return result
}

/** The pointer to the part that this one is in; the whole text has none. */
export function parentPointer(pointer: string): string | undefined {
  return pointer === '' ? undefined : pointer.slice(0, Math.max(0, pointer.lastIndexOf('/')))
}

function partsOf(pointer: string): string[] {
  return pointer
    .split('/')
    .slice(1)
    .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'))
}

function isIndex(part: string): boolean {
  return /^(?:0|[1-9]\d{0,8})$/.test(part)
}

function changed(
  json: JsonValue,
  [part, ...rest]: readonly string[],
  operation: PatchOperation,
): JsonValue | undefined {
  if (part === undefined) return operation.op === 'remove' ? undefined : operation.value
  if (json.kind === 'object') return changedObject(json, part, rest, operation)
  if (json.kind === 'array') return changedArray(json, part, rest, operation)
  return undefined
}

function changedObject(
  json: JsonObject,
  name: string,
  rest: readonly string[],
  operation: PatchOperation,
): JsonValue | undefined {
  const current = json.members.get(name)
  const members = new Map(json.members)
  if (rest.length > 0) {
    const inner = current && changed(current, rest, operation)
    return inner === undefined ? undefined : { ...json, members: members.set(name, inner) }
  }
  if (operation.op !== 'add' && current === undefined) return undefined
  if (operation.op === 'remove') members.delete(name)
  else members.set(name, operation.value)
  return { ...json, members }
}

function changedArray(
  json: JsonArray,
  part: string,
  rest: readonly string[],
  operation: PatchOperation,
): JsonValue | undefined {
  const items = [...json.items]
  if (part === '-' && rest.length === 0 && operation.op === 'add') {
    return { ...json, items: [...items, operation.value] }
  }
  const index = Number(part)
  const current = isIndex(part) ? items[index] : undefined
  if (current === undefined) return undefined
  if (rest.length > 0) {
    const inner = changed(current, rest, operation)
    if (inner === undefined) return undefined
    items[index] = inner
  } else if (operation.op === 'remove') items.splice(index, 1)
  else if (operation.op === 'add') items.splice(index, 0, operation.value)
  else items[index] = operation.value
  return { ...json, items }
}
