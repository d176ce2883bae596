import { assertNever } from '@fairlead/base'
import type { JsonValue } from './json/json-value.ts'
import { compareText, sortMembers, writeJson, writeJsonString } from './json/write-json.ts'
import { logicalAttributes } from './logical-type.ts'
import { nameWithin } from './names.ts'
import { normalizedDefault } from './normalized-default.ts'
import {
  type AvroSchema,
  type FullName,
  type NamedSchema,
  type RecordField,
  type RecordSchema,
  isNamed,
} from './schema.ts'
import type { ParsedSchema } from './parse-schema.ts'

/**
 * - `stored`: the text that the registry stores and returns; equal texts share an id.
 * - `normalized`: the same with `normalize=true`: properties and aliases sorted, defaults in the
 *   form of their type.
 * - `equivalence`: equal texts are one version of a subject: without the order of properties,
 *   aliases and members of defaults, and with referenced types written out.
 * - `definition`: what Avro compares when a type is defined twice: neither doc nor aliases.
 */
export type TextForm = 'stored' | 'normalized' | 'equivalence' | 'definition'

/** Writes the schema as Confluent's registry prints Avro, to the character. */
export function canonicalText(schema: ParsedSchema, form: Exclude<TextForm, 'definition'>): string {
  const externalNames = form === 'equivalence' ? undefined : schema.externalNames
  return canonicalTextOf(schema.root, form, externalNames)
}

/** As {@link canonicalText}, for any part of a schema. */
export function canonicalTextOf(
  schema: AvroSchema,
  form: TextForm,
  externalNames: ReadonlySet<string> = new Set(),
): string {
  return new SchemaWriter(form, externalNames).type(schema, undefined)
}

type Member = readonly [name: string, text: string] | undefined

class SchemaWriter {
  readonly #form: TextForm
  /** Full names of types that are written as their name from now on. */
  readonly #known: Set<string>

  constructor(form: TextForm, externalNames: ReadonlySet<string>) {
    this.#form = form
    this.#known = new Set(externalNames)
  }

  type(schema: AvroSchema, namespace: string | undefined): string {
    if (isNamed(schema)) return this.#named(schema, namespace)
    switch (schema.kind) {
      case 'array':
        return object([
          ['type', '"array"'],
          ['items', this.type(schema.items, namespace)],
          ...this.#properties(schema),
        ])
      case 'map':
        return object([
          ['type', '"map"'],
          ['values', this.type(schema.values, namespace)],
          ...this.#properties(schema),
        ])
      case 'union':
        return `[${schema.branches.map((branch) => this.type(branch, namespace)).join(',')}]`
      case 'null':
      case 'boolean':
      case 'int':
      case 'long':
      case 'float':
      case 'double':
      case 'bytes':
      case 'string': {
        const kind = writeJsonString(schema.kind)
        if (schema.properties.size === 0) return kind
        return object([['type', kind], ...this.#properties(schema)])
      }
      default:
        return assertNever(schema)
    }
  }

  #named(schema: NamedSchema, namespace: string | undefined): string {
    const { name } = schema
    if (this.#known.has(name.fullName)) return writeJsonString(nameWithin(name, namespace))
    this.#known.add(name.fullName)

    const head: Member[] = [
      ['type', writeJsonString(this.#typeName(schema))],
      ['name', writeJsonString(name.name)],
      namespaceMember(name, namespace),
      this.#doc(schema.doc, 'type'),
    ]
    const properties = this.#properties(schema)
    const aliases = this.#aliases(schema.aliases.map((alias) => nameWithin(alias, name.namespace)))
    switch (schema.kind) {
      case 'record':
        return object([...head, ['fields', this.#fields(schema)], ...properties, aliases])
      case 'enum': {
        const symbols = `[${schema.symbols.map(writeJsonString).join(',')}]`
        const { defaultSymbol } = schema
        const defaultMember: Member =
          defaultSymbol === undefined ? undefined : ['default', writeJsonString(defaultSymbol)]
        return object([...head, ['symbols', symbols], defaultMember, ...properties, aliases])
      }
      case 'fixed':
        return object([...head, ['size', String(schema.sizeBytes)], ...properties, aliases])
      default:
        return assertNever(schema)
    }
  }

  #typeName(schema: NamedSchema): string {
    if (schema.kind !== 'record' || !schema.isError) return schema.kind
    return this.#form === 'stored' || this.#form === 'definition' ? 'error' : 'record'
  }

  #fields({ fields, name }: RecordSchema): string {
    return `[${fields.map((field) => this.#field(field, name.namespace)).join(',')}]`
  }

  #field(field: RecordField, namespace: string | undefined): string {
    const { defaultValue } = field
    return object([
      ['name', writeJsonString(field.name)],
      ['type', this.type(field.type, namespace)],
      this.#doc(field.doc, 'field'),
      defaultValue === undefined ? undefined : ['default', this.#default(field, defaultValue)],
      field.order === 'ascending' ? undefined : ['order', writeJsonString(field.order)],
      this.#aliases(field.aliases),
      ...this.#properties(field),
    ])
  }

  #default(field: RecordField, value: JsonValue): string {
    if (this.#form === 'normalized') return writeJson(normalizedDefault(field.type, value))
    return writeJson(this.#form === 'equivalence' ? sortMembers(value) : value)
  }

  #doc(doc: string | undefined, owner: 'field' | 'type'): Member {
    if (doc === undefined || this.#form === 'definition') return undefined
    if (doc === '' && this.#form === 'normalized' && owner === 'type') return undefined
    return ['doc', writeJsonString(doc)]
  }

  #aliases(aliases: readonly string[]): Member {
    if (aliases.length === 0 || this.#form === 'definition') return undefined
    const ordered = this.#form === 'stored' ? aliases : aliases.toSorted(compareText)
    return ['aliases', `[${ordered.map(writeJsonString).join(',')}]`]
  }

  #properties(owner: AvroSchema | RecordField): Member[] {
    const members = [...owner.properties]
    if (this.#form === 'stored') return members.map(([name, value]) => [name, writeJson(value)])
    // Confluent's normalization writes the attributes of a logical type before all others.
    const first = this.#form === 'normalized' && 'kind' in owner ? logicalAttributes(owner) : []
    const rank = (name: string): number => first.indexOf(name) + 1 || first.length + 1
    return members
      .sort(([left], [right]) => rank(left) - rank(right) || compareText(left, right))
      .map(([name, value]) => [name, writeJson(sortMembers(value))])
  }
}

function namespaceMember(name: FullName, enclosing: string | undefined): Member {
  if (name.namespace === enclosing) return undefined
  return ['namespace', writeJsonString(name.namespace ?? '')]
}

function object(members: readonly Member[]): string {
  const texts = members.flatMap((member) =>
    member === undefined ? [] : [`${writeJsonString(member[0])}:${member[1]}`],
  )
  return `{${texts.join(',')}}`
}
