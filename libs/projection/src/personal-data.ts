import { type AnyEvents, type AvroSchema, type RecordDefinition, parseSchema } from '@fairlead/avro'
import type { AnyEvent } from './definition.ts'

/** Stands for a value that is nobody's business here. */
export const REDACTED = '[redacted]'

/** A shorter text is in everything: to take it out would destroy what is left. */
const SECRET_LENGTH_MIN = 3

/** The texts of the fields that the schema marks as `pii`, at any depth; the longest first. */
export function personalTexts(
  sources: readonly AnyEvents[],
  event: Pick<AnyEvent, 'type' | 'data'>,
): readonly string[] {
  const texts = new Set<string>()
  withPersonal(sources, event, (value) => {
    for (const text of textsOf(value)) texts.add(text)
    return value
  })
  // One may be part of another, of which a rest would stay.
  return [...texts]
    .filter((text) => text.length >= SECRET_LENGTH_MIN)
    .sort((left, right) => right.length - left.length)
}

/** The event's data with `[redacted]` for each field that its schema marks as `pii`, at any depth. */
export function redactPersonal(
  sources: readonly AnyEvents[],
  event: Pick<AnyEvent, 'type' | 'data'>,
): unknown {
  return withPersonal(sources, event, () => REDACTED)
}

type Replace = (personal: unknown) => unknown

/** The event's data with something else for what is personal; itself when nothing is replaced. */
function withPersonal(
  sources: readonly AnyEvents[],
  { type, data }: Pick<AnyEvent, 'type' | 'data'>,
  replace: Replace,
): unknown {
  return sources.reduce((value, { definitions }) => {
    const definition = definitions[type]
    return definition === undefined ? value : replaceIn(schemaOf(definition), value, replace)
  }, data)
}

const schemas = new WeakMap<RecordDefinition, AvroSchema>()

function schemaOf(definition: RecordDefinition): AvroSchema {
  const known = schemas.get(definition)
  if (known !== undefined) return known
  const { root } = parseSchema(JSON.stringify(definition), { mode: 'lenient' })
  schemas.set(definition, root)
  return root
}

function replaceIn(schema: AvroSchema, value: unknown, replace: Replace): unknown {
  switch (schema.kind) {
    case 'record': {
      const fields = new Map(schema.fields.map((field) => [field.name, field]))
      return mapMembers(value, (name, member) => {
        const field = fields.get(name)
        if (field === undefined) return member
        if (field.properties.has('pii')) return replace(member)
        return replaceIn(field.type, member, replace)
      })
    }
    case 'map':
      return mapMembers(value, (_name, member) => replaceIn(schema.values, member, replace))
    case 'array': {
      if (!Array.isArray(value)) return value
      const items = value.map((item: unknown) => replaceIn(schema.items, item, replace))
      return items.some((item, index) => item !== value[index]) ? items : value
    }
    case 'union':
      // A value does not say which branch it is of: what is personal in one of them is hidden.
      return schema.branches.reduce((rest, branch) => replaceIn(branch, rest, replace), value)
    case 'null':
    case 'boolean':
    case 'int':
    case 'long':
    case 'float':
    case 'double':
    case 'bytes':
    case 'string':
    case 'enum':
    case 'fixed':
      return value
  }
}

/** The object itself when no member changes: a `Date` has none, and stays one. */
function mapMembers(value: unknown, change: (name: string, member: unknown) => unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
  const members = Object.entries(value)
  const changed = members.map(([name, member]) => [name, change(name, member)] as const)
  return changed.some(([, member], index) => member !== members[index]?.[1])
    ? Object.fromEntries(changed)
    : value
}

/** As an error message would have it, also one that shows the event as JSON; nothing for what no message shows whole. */
function textsOf(value: unknown): readonly string[] {
  if (typeof value === 'string') return [value, JSON.stringify(value).slice(1, -1)]
  if (typeof value === 'number' || typeof value === 'bigint') return [value.toString()]
  if (isTime(value)) return textsOfTime(value)
  if (value instanceof Uint8Array) return textsOfBytes(value)
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(textsOf) : []
}

/** Told without the clock's class, which cores do not have. */
function isTime(value: unknown): value is Date {
  return Object.prototype.toString.call(value) === '[object Date]'
}

/** The day is in all of them, and what is left of one without it is a time of day. */
function textsOfTime(time: Date): readonly string[] {
  if (Number.isNaN(time.getTime())) return []
  const iso = time.toISOString()
  return [
    iso,
    iso.slice(0, iso.indexOf('T')),
    time.toString(),
    time.toDateString(),
    time.toUTCString(),
    `${time.getTime()}`,
  ]
}

/** Single bytes are in every text. */
function textsOfBytes(bytes: Uint8Array): readonly string[] {
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')
  return [bytes.join(','), hex]
}
