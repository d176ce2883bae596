import { errorMessage } from '@fairlead/base'
import protobuf from 'protobufjs'
import { RegistryError } from '../registry-error.ts'
import { withWirePrefix } from '../wire-format.ts'
import type { LoadedSchema, PayloadEncoder } from './payload-encoder.ts'
import { parsePreciseJson } from './precise-json.ts'
import { protobufMessage } from './protobuf-message.ts'

/**
 * Protobuf's JSON mapping, for the first message of the file or the one that `messageName` gives.
 * Between the schema's id and the message stands the place of its type in the file.
 */
export function protobufPayloadEncoder(
  loaded: LoadedSchema,
  messageName: string | undefined,
): PayloadEncoder {
  const { schemaId, subject, version, schemaType } = loaded
  const { type, indexes } = messageType(loaded, messageName)
  const prefix = messageIndexes(indexes)
  return {
    schemaId,
    subject,
    version,
    schemaType,
    encode: (json) => {
      const message = protobufMessage(type, parsePreciseJson(json), '')
      const body = type.encode(message).finish()
      const payload = new Uint8Array(prefix.length + body.length)
      payload.set(prefix)
      payload.set(body, prefix.length)
      return withWirePrefix(schemaId, payload)
    },
  }
}

/**
 * The path to the type as zigzag varints behind their count; the first message of a file, which is
 * most often meant, is a single zero.
 */
function messageIndexes(indexes: readonly number[]): Uint8Array {
  if (indexes.length === 1 && indexes[0] === 0) return Uint8Array.of(0)
  const writer = protobuf.Writer.create().sint32(indexes.length)
  for (const index of indexes) writer.sint32(index)
  return writer.finish()
}

function messageType(loaded: LoadedSchema, messageName: string | undefined) {
  const { schema, referenced, subject, version } = loaded
  try {
    const root = new protobuf.Root()
    for (const { text } of referenced) protobuf.parse(text, root, { keepCase: true })
    const file = protobuf.parse(schema, root, { keepCase: true })
    for (const name of file.imports ?? []) addWellKnown(root, name)
    root.resolveAll()
    const scope = file.package === undefined ? root : root.lookup(file.package)
    if (!(scope instanceof protobuf.Namespace)) throw new Error('the file has no message')
    const own = declarations(schema)
    const found = ownTypes(scope, own).find(({ type, indexes }) =>
      messageName === undefined
        ? indexes.length === 1 && indexes[0] === 0
        : type.fullName === `.${messageName}` || type.name === messageName,
    )
    if (found === undefined) throw new Error(`it has no message ${messageName ?? ''}`)
    return found
  } catch (error) {
    throw new RegistryError(
      `version ${version} of subject ${subject} cannot be used: ${errorMessage(error)}`,
      { retryable: false, cause: error },
    )
  }
}

/** Google's own types need no reference. */
function addWellKnown(root: protobuf.Root, file: string): void {
  const common = protobuf.common.get(file)
  if (common?.nested !== undefined && common !== null) root.addJSON(common.nested)
}

/** Names of the messages at the top of the file: a package may have others from its imports. */
function declarations(schema: string): readonly string[] {
  const alone = new protobuf.Root()
  const { package: name } = protobuf.parse(schema, alone, { keepCase: true })
  const scope = name === undefined ? alone : alone.lookup(name)
  if (!(scope instanceof protobuf.Namespace)) return []
  return scope.nestedArray.filter((item) => item instanceof protobuf.Type).map((item) => item.name)
}

function ownTypes(scope: protobuf.NamespaceBase, names: readonly string[]) {
  const found: { readonly type: protobuf.Type; readonly indexes: readonly number[] }[] = []
  const visit = (type: protobuf.Type, indexes: readonly number[]): void => {
    found.push({ type, indexes })
    const nested = type.nestedArray.filter((item) => item instanceof protobuf.Type)
    for (const [index, inner] of nested.entries()) visit(inner, [...indexes, index])
  }
  for (const [index, name] of names.entries()) {
    const type = scope.get(name)
    if (type instanceof protobuf.Type) visit(type, [index])
  }
  return found
}
