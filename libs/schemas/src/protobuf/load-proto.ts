import { InvalidSchemaError } from '../invalid-schema-error.ts'
import { checkProto } from './check-proto.ts'
import { decodeBase64 } from './descriptor/base64.ts'
import { decodeDescriptor } from './descriptor/decode-descriptor.ts'
import { parseProto } from './parse-proto.ts'
import type { ProtoFile } from './proto-file.ts'
import { type ProtoDependency, ProtoTypes, wellKnownFile } from './proto-types.ts'

export type ProtoReference = {
  /** The path by which it is imported. */
  readonly name: string
  readonly text: string
  /** Subject and version. */
  readonly origin: string
}

export type LoadedProto = { readonly file: ProtoFile; readonly types: ProtoTypes }

/**
 * Reads a Protobuf file with everything that it imports.
 *
 * @throws {InvalidSchemaError} when it is no Protobuf file; with `isStrict` also when an import, or
 *   a type, is nowhere, or protoc would refuse it.
 */
export function loadProto(
  text: string,
  references: readonly ProtoReference[],
  { isStrict }: { readonly isStrict: boolean },
): LoadedProto {
  const file = protoFile(text)
  const dependencies: ProtoDependency[] = references.map(({ text: referenced, origin }) => ({
    file: protoFile(referenced),
    origin,
  }))
  const given = new Set(references.map(({ name }) => name))
  const used = [file, ...dependencies.map((dependency) => dependency.file)]
  for (const path of new Set(used.flatMap(importsOf))) {
    if (given.has(path)) continue
    const known = wellKnownFile(path)
    if (known !== undefined) dependencies.push({ file: known, origin: path })
    else if (isStrict) throw new InvalidSchemaError(`import "${path}": no reference has this name`)
  }
  const types = new ProtoTypes(file, dependencies)
  if (isStrict) checkProto(file, types)
  return { file, types }
}

/** The text of a file, or its descriptor in base64, as clients without the text send it. */
function protoFile(text: string): ProtoFile {
  const bytes = decodeBase64(text)
  return bytes === undefined ? parseProto(text) : decodeDescriptor(bytes)
}

function importsOf({ imports, publicImports }: ProtoFile): readonly string[] {
  return [...imports, ...publicImports]
}
