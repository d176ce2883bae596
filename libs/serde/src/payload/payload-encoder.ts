import type { RegistryClient, SchemaReference, SubjectVersion } from '../types.ts'

/**
 * Encodes JSON documents with the schema of a subject: whatever type that is, the document is
 * checked against it first.
 */
export interface PayloadEncoder {
  readonly schemaId: number
  readonly subject: string
  readonly version: number
  readonly schemaType: string
  /**
   * Confluent's wire format: byte 0, the schema's id, and the value; for Protobuf with the index of
   * the message in between.
   *
   * @throws {EncodeError} when the text is no JSON or does not fit; it names the place.
   */
  encode(json: string): Uint8Array<ArrayBuffer>
}

/** A schema with the texts of what it refers to, each after those that it uses itself. */
export type LoadedSchema = SubjectVersion & {
  readonly referenced: readonly { readonly name: string; readonly text: string }[]
}

export async function loadReferences(
  registry: RegistryClient,
  schema: SubjectVersion,
): Promise<LoadedSchema> {
  const texts = new Map<string, { readonly name: string; readonly text: string }>()
  const visiting = new Set<string>()
  const visit = async ({ name, subject, version }: SchemaReference): Promise<void> => {
    const key = `${version} ${subject}`
    if (visiting.has(key)) return
    visiting.add(key)
    const target = await registry.version(subject, version)
    for (const inner of target.references) await visit(inner)
    texts.set(key, { name, text: target.schema })
  }
  for (const reference of schema.references) await visit(reference)
  return { ...schema, referenced: [...texts.values()] }
}
