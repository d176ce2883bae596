import { DecodeError } from '@fairlead/base'
import {
  type AvroSchema,
  type Incompatibility,
  type NamedSchema,
  type UnionSchema,
  incompatibilities,
  isNamed,
  isSameName,
} from '@fairlead/avro'

/** Reasons that an error names; the registry's compatibility check tells all of them. */
const REASONS_SHOWN_MAX = 3

/**
 * Compares two types as the registry does, but not the types inside them.
 *
 * @throws {DecodeError} when the reader can read nothing of what the writer writes.
 */
export function checkPair(writer: AvroSchema, reader: AvroSchema): void {
  const reasons = incompatibilities(outsideOf(reader), withoutSymbols(outsideOf(writer)))
  if (reasons.length > 0) throw unreadable(reasons)
}

/**
 * The branch of the reader for a writer's type: the same type before one that it widens to, and the
 * same full name before the same last part. As in Java, one that reads only some values is better
 * than none.
 *
 * @throws {DecodeError} when no branch reads any.
 */
export function branchFor(writer: AvroSchema, reader: UnionSchema): AvroSchema {
  const outsideOfWriter = withoutSymbols(outsideOf(writer))
  const alike = reader.branches.filter(
    (branch) =>
      mayBeSameName(branch, writer) &&
      incompatibilities(outsideOf(branch), outsideOfWriter).length === 0,
  )
  // To compare all that is inside is dear where types have types in them, and rarely needed.
  const [only, ...others] = alike
  const branch =
    others.length === 0
      ? only
      : (preferred(
          writer,
          alike.filter((candidate) => incompatibilities(candidate, writer).length === 0),
        ) ?? preferred(writer, alike))
  if (branch === undefined) throw unreadable(incompatibilities(reader, writer))
  return branch
}

function mayBeSameName(branch: AvroSchema, writer: AvroSchema): boolean {
  return !isNamed(branch) || !isNamed(writer) || isSameName(branch, writer)
}

function preferred(writer: AvroSchema, branches: readonly AvroSchema[]): AvroSchema | undefined {
  const sameKind = branches.filter(({ kind }) => kind === writer.kind)
  const sameName = (part: 'fullName' | 'name') =>
    isNamed(writer)
      ? sameKind.find((branch) => (branch as NamedSchema).name[part] === writer.name[part])
      : undefined
  return sameName('fullName') ?? sameName('name') ?? sameKind[0] ?? branches[0]
}

const INSIDE: AvroSchema = { kind: 'null', pointer: '', properties: new Map() }

/** The same type with others inside it that fit any of their kind. */
function outsideOf(schema: AvroSchema): AvroSchema {
  if (schema.kind === 'array') return { ...schema, items: INSIDE }
  if (schema.kind === 'map') return { ...schema, values: INSIDE }
  if (schema.kind !== 'record') return schema
  return { ...schema, fields: schema.fields.map((field) => ({ ...field, type: INSIDE })) }
}

function withoutSymbols(schema: AvroSchema): AvroSchema {
  return schema.kind === 'enum' ? { ...schema, symbols: [] } : schema
}

function unreadable(reasons: readonly Incompatibility[]): DecodeError {
  const shown = reasons
    .slice(0, REASONS_SHOWN_MAX)
    .map(({ type, readerPointer, detail }) => `${type} at ${readerPointer || '/'} (${detail})`)
  return new DecodeError(`the reader's schema cannot read the writer's: ${shown.join(', ')}`, 0)
}
