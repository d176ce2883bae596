import { basename } from 'node:path'
import { type JsonObject, type JsonValue, readJson } from '@fairlead/avro'
import type { SchemaFile } from './schema-files.ts'

const IMPORT = /(?:^|;)\s*import\s+(?:public\s+|weak\s+)?"([^"]+)"/gm
const NAMED_KINDS = ['record', 'error', 'enum', 'fixed']
const OTHER_KINDS = ['array', 'map']
const PRIMITIVES = ['null', 'boolean', 'int', 'long', 'float', 'double', 'bytes', 'string']

/** Names by which a schema uses what other files define: those of the registry's references. */
export function usedNames({ schemaType, schema }: SchemaFile): readonly string[] {
  if (schemaType === 'PROTOBUF') {
    return [...schema.matchAll(IMPORT)].flatMap(([, path]) => path ?? [])
  }
  const json = jsonOf(schema)
  if (json === undefined) return []
  if (schemaType === 'JSON') return [...new Set(jsonReferences(json))]
  const names = new AvroNames()
  names.collect(json, undefined)
  return [...names.used].filter((name) => !names.defined.has(name))
}

/** Whether a schema uses what this file defines by that name. */
export function isCalled(file: SchemaFile, name: string): boolean {
  const { path, schemaType, schema } = file
  if (schemaType === 'PROTOBUF') return path === name || path.endsWith(`/${name}`)
  const json = jsonOf(schema)
  if (json?.kind !== 'object') return false
  if (schemaType === 'JSON') return basename(path) === name || textOf(json, '$id') === name
  return textOf(json, 'name') !== undefined && fullName(json, undefined) === name
}

/** Walks a schema that need not be valid: the check says what is wrong with it. */
class AvroNames {
  readonly used = new Set<string>()
  readonly defined = new Set<string>()

  collect(json: JsonValue, namespace: string | undefined): void {
    if (json.kind === 'string') {
      if (!PRIMITIVES.includes(json.value)) this.used.add(qualified(json.value, namespace))
    } else if (json.kind === 'array') {
      for (const branch of json.items) this.collect(branch, namespace)
    } else if (json.kind === 'object') {
      this.#collectObject(json, namespace)
    }
  }

  #collectObject(json: JsonObject, namespace: string | undefined): void {
    const kind = textOf(json, 'type') ?? ''
    if (NAMED_KINDS.includes(kind)) {
      const name = fullName(json, namespace)
      this.defined.add(name)
      const fields = json.members.get('fields')
      const inner = name.includes('.') ? name.slice(0, name.lastIndexOf('.')) : undefined
      for (const field of fields?.kind === 'array' ? fields.items : []) {
        const type = field.kind === 'object' ? field.members.get('type') : undefined
        if (type !== undefined) this.collect(type, inner)
      }
      return
    }
    const member = OTHER_KINDS.includes(kind) ? (kind === 'array' ? 'items' : 'values') : 'type'
    const type = json.members.get(member)
    if (type !== undefined) this.collect(type, namespace)
  }
}

function fullName(json: JsonObject, enclosing: string | undefined): string {
  return qualified(textOf(json, 'name') ?? '', textOf(json, 'namespace') ?? enclosing)
}

function qualified(name: string, namespace: string | undefined): string {
  const isFull = name.includes('.') || namespace === undefined || namespace === ''
  return isFull ? name : `${namespace}.${name}`
}

/** What `$ref` names outside of the document, without the part behind `#`. */
function jsonReferences(json: JsonValue): string[] {
  if (json.kind === 'array') return json.items.flatMap(jsonReferences)
  if (json.kind !== 'object') return []
  const [document = ''] = (textOf(json, '$ref') ?? '').split('#')
  const inner = [...json.members.values()].flatMap(jsonReferences)
  return document === '' ? inner : [document, ...inner]
}

function textOf(json: JsonObject, name: string): string | undefined {
  const value = json.members.get(name)
  return value?.kind === 'string' ? value.value : undefined
}

function jsonOf(text: string): JsonValue | undefined {
  try {
    return readJson(text)
  } catch {
    return undefined
  }
}
