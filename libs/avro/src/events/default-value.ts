/**
 * The value that a field's `default` stands for. Defaults are JSON in a schema, so longs are written
 * as numbers and bytes as text of code points 0 to 255 (Avro 1.12, "Complex Types", "Records"); a
 * default of a union is one of its first branch. `named` has the definition that a name in `type` means.
 */
export function defaultValue(
  type: unknown,
  json: unknown,
  named: (name: string) => unknown,
): unknown {
  const valueOf = (inner: unknown, of: unknown) => defaultValue(inner, of, named)
  if (Array.isArray(type)) return valueOf(type[0], json)
  if (typeof type === 'string') {
    const definition = named(type)
    return definition === undefined ? ofPrimitive(type, json) : valueOf(definition, json)
  }
  if (!isObject(type)) return json
  if (type['type'] === 'long' && type['js'] === 'number') return json
  if (type['logicalType'] === 'timestamp-millis') return dateOfMillis(Number(json))
  if (type['logicalType'] === 'timestamp-micros') return dateOfMillis(Number(json) / 1000)
  switch (type['type']) {
    case 'record':
      return ofRecord(type['fields'], json, valueOf)
    case 'array':
      return Array.isArray(json) ? json.map((item) => valueOf(type['items'], item)) : json
    case 'map':
      return isObject(json)
        ? Object.fromEntries(
            Object.entries(json).map(([key, value]) => [key, valueOf(type['values'], value)]),
          )
        : json
    case 'enum':
      return json
    case 'fixed':
      return ofPrimitive('bytes', json)
    default:
      return valueOf(type['type'], json)
  }
}

/** The named types that a schema defines, by full name, or by the one without namespace, which may be left out. */
export function definitionsIn(schema: unknown): (name: string) => unknown {
  const byFullName = new Map<string, unknown>()
  const bySimpleName = new Map<string, unknown>()
  const collect = (type: unknown, enclosing: string): void => {
    if (Array.isArray(type)) for (const branch of type) collect(branch, enclosing)
    if (!isObject(type)) return
    const fullName = fullNameOf(type, enclosing)
    if (fullName !== undefined) {
      byFullName.set(fullName, type)
      bySimpleName.set(simpleName(fullName), type)
    }
    const namespace = fullName === undefined ? enclosing : namespaceOf(fullName)
    const { fields, items, values } = type
    const ofFields = Array.isArray(fields)
      ? fields.filter(isObject).map((field) => field['type'])
      : []
    for (const inner of [...ofFields, items, values, type['type']]) collect(inner, namespace)
  }
  collect(schema, '')
  return (name) => byFullName.get(name) ?? bySimpleName.get(simpleName(name))
}

/** Undefined for a type without a name. */
function fullNameOf(
  { name, namespace }: Readonly<Record<string, unknown>>,
  enclosing: string,
): string | undefined {
  if (typeof name !== 'string') return undefined
  const own = typeof namespace === 'string' ? namespace : enclosing
  return name.includes('.') || own === '' ? name : `${own}.${name}`
}

function namespaceOf(fullName: string): string {
  return fullName.slice(0, Math.max(0, fullName.lastIndexOf('.')))
}

function simpleName(name: string): string {
  return name.slice(name.lastIndexOf('.') + 1)
}

function ofPrimitive(type: string, json: unknown): unknown {
  if (type === 'long' && typeof json === 'number') return BigInt(json)
  if (type === 'bytes' && typeof json === 'string') {
    return Uint8Array.from(json, (character) => character.charCodeAt(0))
  }
  return json
}

function ofRecord(
  fields: unknown,
  json: unknown,
  valueOf: (type: unknown, json: unknown) => unknown,
): unknown {
  if (!Array.isArray(fields) || !isObject(json)) return json
  return Object.fromEntries(
    fields
      .filter(isObject)
      .map((field) => [
        field['name'],
        valueOf(field['type'], json[String(field['name'])] ?? field['default']),
      ]),
  )
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function dateOfMillis(millis: number): Date {
  // A conversion, not a clock: the same number gives the same value.
  // oxlint-disable-next-line no-restricted-globals
  return new Date(millis)
}
