import { assertNever } from '@fairlead/base'
import { printProto } from '../protobuf/print-proto.ts'
import { type SchemaDocument, documentText } from '../schema-document.ts'
import { avroTags, avroWithTags, isWrittenIn } from './avro-tags.ts'
import { jsonSchemaTags, jsonSchemaWithTags } from './json-schema-tags.ts'
import { protoTags, protoWithTags } from './proto-tags.ts'
import type { SchemaTags, TagChange } from './schema-tags.ts'

/** Every tagged record and field of a schema. @throws {InvalidSchemaError} when they take too much room. */
export function documentTags(document: SchemaDocument): readonly SchemaTags[] {
  switch (document.schemaType) {
    case 'AVRO':
      return avroTags(document.avro.root)
    case 'JSON':
      return jsonSchemaTags(document.json.json)
    case 'PROTOBUF':
      return protoTags(document.proto.file)
    default:
      return assertNever(document)
  }
}

/** As `documentTags`, without what stands in the schemas that it refers to. */
export function ownTags(document: SchemaDocument): readonly SchemaTags[] {
  const tags = documentTags(document)
  if (document.schemaType !== 'AVRO' || tags.length === 0) return tags
  const isOwn = isWrittenIn(documentText(document, 'stored'))
  return tags.filter(({ schemaEntity }) => isOwn(schemaEntity))
}

/** The text of a schema with other tags. @throws {InvalidSchemaError} for a path that leads nowhere. */
export function textWithTags(document: SchemaDocument, change: TagChange): string {
  switch (document.schemaType) {
    case 'AVRO':
      return avroWithTags(documentText(document, 'stored'), change)
    case 'JSON':
      return jsonSchemaWithTags(documentText(document, 'stored'), change)
    case 'PROTOBUF':
      return printProto(protoWithTags(document.proto.file, change))
    default:
      return assertNever(document)
  }
}
