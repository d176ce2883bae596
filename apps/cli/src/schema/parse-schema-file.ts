import { type ParsedSchema, type ReferencedSchema, SchemaError, parseSchema } from '@fairlead/avro'
import { DecodeError } from '@fairlead/base'
import { UsageError } from '../command/command.ts'
import type { SchemaFile } from './schema-files.ts'
import { isCalled, usedNames } from './used-names.ts'

/**
 * The Avro schema of a file, with what it uses of the other files.
 *
 * @throws {UsageError} for a file of another kind, and for one that is no schema.
 */
export function parseSchemaFile(file: SchemaFile, files: readonly SchemaFile[]): ParsedSchema {
  if (file.schemaType !== 'AVRO') {
    throw new UsageError(`${file.path}: types are made of Avro schemas only`)
  }
  try {
    return parseSchema(file.schema, { mode: 'lenient', references: referencesOf(file, files) })
  } catch (error) {
    if (!(error instanceof SchemaError || error instanceof DecodeError)) throw error
    throw new UsageError(`${file.path}: ${error.message}`)
  }
}

/** Each behind those that it uses itself. */
function referencesOf(file: SchemaFile, files: readonly SchemaFile[]): readonly ReferencedSchema[] {
  const seen = new Set([file])
  const references: ReferencedSchema[] = []
  const collect = (from: SchemaFile): void => {
    for (const name of usedNames(from)) {
      const target = files.find((other) => other.schemaType === 'AVRO' && isCalled(other, name))
      if (target === undefined || seen.has(target)) continue
      seen.add(target)
      collect(target)
      references.push({ name: target.path, text: target.schema })
    }
  }
  collect(file)
  return references
}
