import { assertNever } from '@fairlead/base'
import {
  type Incompatibility,
  type ParsedSchema,
  type ReaderIs,
  canonicalText,
  incompatibilities,
  incompatibilityMessage,
  sortMembers,
  writeJson,
} from '@fairlead/avro'
import { differenceSentence, isCompatibleChange } from './json-schema/difference.ts'
import { jsonDifferences } from './json-schema/json-differences.ts'
import type { LoadedJsonSchema } from './json-schema/load-json-schema.ts'
import { isCompatibleProtoChange, protoDifferenceSentence } from './protobuf/difference.ts'
import { serializedProto } from './protobuf/descriptor/encode-descriptor.ts'
import type { LoadedProto } from './protobuf/load-proto.ts'
import { printProto } from './protobuf/print-proto.ts'
import { protoDifferences } from './protobuf/proto-differences.ts'

/** A schema of any type, read and with its references resolved. */
export type SchemaDocument =
  | { readonly schemaType: 'AVRO'; readonly avro: ParsedSchema }
  | { readonly schemaType: 'JSON'; readonly json: LoadedJsonSchema }
  | { readonly schemaType: 'PROTOBUF'; readonly proto: LoadedProto }

/**
 * The schema's text as Confluent's registry keeps it: `stored`, or `normalized` on demand. Texts that
 * are equal in `equivalence` are one version of a subject.
 */
export function documentText(
  document: SchemaDocument,
  form: 'stored' | 'normalized' | 'equivalence',
): string {
  switch (document.schemaType) {
    case 'AVRO':
      return canonicalText(document.avro, form)
    case 'JSON':
      return writeJson(form === 'normalized' ? sortMembers(document.json.json) : document.json.json)
    case 'PROTOBUF': {
      const { file, types } = document.proto
      return printProto(file, form === 'normalized' ? types : undefined)
    }
    default:
      return assertNever(document)
  }
}

/**
 * The text in another format that Confluent has for the schema's type: `serialized` for Protobuf (the
 * descriptor in base64). Undefined for formats that the type does not have.
 */
export function formattedText(document: SchemaDocument, format: string): string | undefined {
  if (document.schemaType !== 'PROTOBUF' || format !== 'serialized') return undefined
  return serializedProto(document.proto)
}

/** One reason why a schema cannot read what another one wrote, and in which direction. */
export type CompatibilityReason = {
  readonly readerIs: ReaderIs
  /** Confluent's error type. */
  readonly type: string
  readonly path: string
  readonly sentence: string
  /** As Confluent's registry prints it. */
  readonly text: string
  /** The reason in Avro's own terms, for Avro. */
  readonly incompatibility?: Incompatibility
}

/** Every reason why `reader` cannot read what `writer` wrote; both are of one type. */
export function documentReasons(
  reader: SchemaDocument,
  writer: SchemaDocument,
  options: { readonly readerIs: ReaderIs; readonly isLenient: boolean },
): CompatibilityReason[] {
  const { readerIs, isLenient } = options
  const names =
    readerIs === 'new' ? { reader: 'new', writer: 'old' } : { reader: 'old', writer: 'new' }
  if (reader.schemaType === 'AVRO' && writer.schemaType === 'AVRO') {
    return incompatibilities(reader.avro.root, writer.avro.root).map((incompatibility) =>
      avroReason(incompatibility, readerIs),
    )
  }
  if (reader.schemaType === 'JSON' && writer.schemaType === 'JSON') {
    return jsonDifferences(writer.json.root, reader.json.root, { isLenient })
      .filter((difference) => !isCompatibleChange(difference, isLenient))
      .map((difference) => reason(difference, readerIs, differenceSentence(difference, names)))
  }
  if (reader.schemaType === 'PROTOBUF' && writer.schemaType === 'PROTOBUF') {
    return protoDifferences(writer.proto, reader.proto)
      .filter((difference) => !isCompatibleProtoChange(difference))
      .map((difference) => reason(difference, readerIs, protoDifferenceSentence(difference, names)))
  }
  return []
}

function avroReason(incompatibility: Incompatibility, readerIs: ReaderIs): CompatibilityReason {
  const { type, path, detail } = incompatibility
  const sentence = incompatibilityMessage(incompatibility, readerIs)
  const text = `{errorType:'${type}', description:'${sentence}', additionalInfo:'${detail}'}`
  return { readerIs, type, path, sentence, text, incompatibility }
}

function reason(
  { type, path }: { readonly type: string; readonly path: string },
  readerIs: ReaderIs,
  sentence: string,
): CompatibilityReason {
  const text = `{errorType:"${type}", description:"${sentence}"}`
  return { readerIs, type, path, sentence, text }
}
