import {
  type AvroSchema,
  type Incompatibility,
  type JsonValue,
  type RecordField,
  canonicalTextOf,
  isNamed,
  readJson,
} from '@fairlead/avro'
import type { CompatibilityReason } from '../schema-document.ts'
import { zeroValue } from './zero-value.ts'
import { type PatchOperation, valueAt } from './json-patch.ts'

/** The texts of both schemas, as JSON. */
export type Texts = { readonly next: JsonValue; readonly old: JsonValue }

type Fix = readonly PatchOperation[]

/**
 * Changes of the new schema that may remove a reason, the one that keeps most of it first. Whether
 * they do is for the caller to try.
 */
export function avroFixes(reason: CompatibilityReason, texts: Texts): Fix[] {
  const { incompatibility, readerIs } = reason
  if (incompatibility === undefined) return []
  return readerIs === 'new'
    ? fixesOfReader(incompatibility, texts)
    : fixesOfWriter(incompatibility, texts)
}

/** The new schema has to read what the old one wrote. */
function fixesOfReader(reason: Incompatibility, { next, old }: Texts): Fix[] {
  const { type, reader, writer, readerPointer: at, writerPointer } = reason
  switch (type) {
    case 'READER_FIELD_MISSING_DEFAULT_VALUE':
      return fixesOfMissingDefault(fieldAt(reader, at), at)
    case 'NAME_MISMATCH': {
      if (!isNamed(writer)) return []
      const owner = withoutLast(at)
      const alias = text(writer.name.fullName)
      const hasAliases = valueAt(next, `${owner}/aliases`) !== undefined
      return hasAliases
        ? [[{ op: 'add', path: `${owner}/aliases/-`, value: alias }]]
        : [[{ op: 'add', path: `${owner}/aliases`, value: list([alias]) }]]
    }
    case 'FIXED_SIZE_MISMATCH':
      return writer.kind === 'fixed'
        ? [[{ op: 'replace', path: at, value: integer(writer.sizeBytes) }]]
        : []
    case 'MISSING_ENUM_SYMBOLS': {
      if (writer.kind !== 'enum' || reader.kind !== 'enum') return []
      const present = new Set(reader.symbols)
      const missing = writer.symbols.filter((symbol) => !present.has(symbol))
      return [missing.map((symbol) => ({ op: 'add', path: `${at}/-`, value: text(symbol) }))]
    }
    case 'MISSING_UNION_BRANCH':
      return [
        ...reason.causes.flatMap((cause) => fixesOfReader(cause, { next, old })),
        ...typeTexts(writer, writerPointer, old).map(
          (value): Fix => [{ op: 'add', path: `${at}/-`, value }],
        ),
      ]
    case 'TYPE_MISMATCH':
      return typeTexts(writer, writerPointer, old).flatMap((value) => fixesOfType(at, value, next))
    case 'EXCEPTION':
      return [[{ op: 'remove', path: `${at}/aliases` }]]
  }
}

/** The old schema has to read what the new one will write. */
function fixesOfWriter(reason: Incompatibility, { next, old }: Texts): Fix[] {
  const { type, reader, writer, readerPointer, writerPointer: at } = reason
  switch (type) {
    case 'READER_FIELD_MISSING_DEFAULT_VALUE': {
      const field = valueAt(old, readerPointer)
      return field === undefined ? [] : [[{ op: 'add', path: `${at}/fields/-`, value: field }]]
    }
    case 'NAME_MISMATCH': {
      if (!isNamed(reader)) return []
      return [[{ op: 'replace', path: at, value: text(reader.name.name) }]]
    }
    case 'FIXED_SIZE_MISMATCH':
      return reader.kind === 'fixed'
        ? [[{ op: 'replace', path: at, value: integer(reader.sizeBytes) }]]
        : []
    case 'MISSING_ENUM_SYMBOLS': {
      if (writer.kind !== 'enum' || reader.kind !== 'enum') return []
      const readable = new Set(reader.symbols)
      const known = writer.symbols.filter((symbol) => readable.has(symbol))
      const symbols: Fix = [{ op: 'replace', path: at, value: list(known.map(text)) }]
      const owner = withoutLast(at)
      const isDefaultKnown =
        writer.defaultSymbol === undefined || known.includes(writer.defaultSymbol)
      return [isDefaultKnown ? symbols : [...symbols, { op: 'remove', path: `${owner}/default` }]]
    }
    case 'MISSING_UNION_BRANCH':
    case 'TYPE_MISMATCH':
      return [
        ...reason.causes.flatMap((cause) => fixesOfWriter(cause, { next, old })),
        // A branch that the old schema does not know.
        [{ op: 'remove', path: at }],
        ...typeTexts(reader, readerPointer, old).map(
          (value): Fix => [{ op: 'replace', path: at, value }],
        ),
      ]
    case 'EXCEPTION':
      return []
  }
}

/** The old type; or, where the new one is wanted, a union of both. */
function fixesOfType(at: string, oldType: JsonValue, next: JsonValue): Fix[] {
  const wanted = valueAt(next, at)
  const replaced: Fix = [{ op: 'replace', path: at, value: oldType }]
  if (wanted === undefined || wanted.kind === 'array') return [replaced]
  return [replaced, [{ op: 'replace', path: at, value: list([oldType, wanted]) }]]
}

function fixesOfMissingDefault(field: RecordField | undefined, at: string): Fix[] {
  const removed: Fix = [{ op: 'remove', path: at }]
  if (field === undefined) return [removed]
  const zero = zeroValue(field.type)
  if (zero === undefined) return [removed]
  return [[{ op: 'add', path: `${at}/default`, value: zero }], removed]
}

/** A type as the old text has it, and written out, in case the text names others. */
function typeTexts(schema: AvroSchema, pointer: string, old: JsonValue): JsonValue[] {
  const asWritten = valueAt(old, pointer)
  const inFull = readJson(canonicalTextOf(schema, 'stored'))
  return asWritten === undefined ? [inFull] : [asWritten, inFull]
}

function fieldAt(record: AvroSchema, pointer: string): RecordField | undefined {
  if (record.kind !== 'record') return undefined
  return record.fields.find((field) => field.pointer === pointer)
}

function withoutLast(pointer: string): string {
  return pointer.slice(0, pointer.lastIndexOf('/'))
}

function text(value: string): JsonValue {
  return { kind: 'string', value, position: 0 }
}

function integer(value: number): JsonValue {
  return { kind: 'integer', value: BigInt(value), position: 0 }
}

function list(items: readonly JsonValue[]): JsonValue {
  return { kind: 'array', items, position: 0 }
}
