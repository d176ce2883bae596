import { InvalidSchemaError } from '../../invalid-schema-error.ts'
import type {
  ProtoConstant,
  ProtoEnum,
  ProtoField,
  ProtoFile,
  ProtoMessage,
  ProtoOption,
  ProtoService,
  ReservedRange,
} from '../proto-file.ts'
import {
  CONSTANT_OPTIONS,
  ENUM_OPTIONS,
  FIELD_OPTIONS,
  FIELD_TYPES,
  FILE_OPTIONS,
  LABELS,
  MESSAGE_OPTIONS,
  METHOD_OPTIONS,
  decodeOptions,
  defaultJsonName,
  word,
} from './descriptor-tables.ts'
import { WireMessage } from './wire.ts'

const DEPTH_MAX = 64

/**
 * A file from its `FileDescriptorProto`, which clients without the text send (in base64). Options that
 * only code generators of one language understand are not carried over.
 *
 * @throws {InvalidSchemaError} when the bytes are no descriptor.
 */
export function decodeDescriptor(bytes: Uint8Array): ProtoFile {
  const file = new WireMessage(bytes)
  const dependencies = file.texts(3)
  const isPublic = new Set(file.numbers(10))
  const syntax = file.text(12) ?? 'proto2'
  const decoder = new DescriptorDecoder(syntax === 'proto3')
  const parts = {
    syntax,
    packageName: file.text(2),
    imports: dependencies.filter((_path, index) => !isPublic.has(index)),
    publicImports: dependencies.filter((_path, index) => isPublic.has(index)),
    options: decodeOptions(file.message(8), FILE_OPTIONS),
    types: [
      ...file.messages(4).map((message) => decoder.message(message, 0)),
      ...file.messages(5).map((declared) => decoder.enum(declared)),
    ],
    services: file.messages(6).map((service) => decoder.service(service)),
  }
  if (parts.types.length === 0 && parts.services.length === 0 && file.text(1) === undefined) {
    throw new InvalidSchemaError('this is neither the text of a .proto file nor its descriptor')
  }
  return { ...parts, extends: extendsOf(decoder, file.messages(7)) }
}

function extendsOf(decoder: DescriptorDecoder, fields: readonly WireMessage[]) {
  return fields.map((field) => ({ type: field.text(2) ?? '', fields: [decoder.field(field)] }))
}

class DescriptorDecoder {
  readonly #isProto3: boolean

  constructor(isProto3: boolean) {
    this.#isProto3 = isProto3
  }

  message(message: WireMessage, depth: number): ProtoMessage {
    if (depth > DEPTH_MAX) throw new InvalidSchemaError(`messages nest deeper than ${DEPTH_MAX}`)
    const nested = message.messages(3)
    const maps = new Map(
      nested
        .filter((entry) => entry.message(7)?.flag(7) === true)
        .map((entry) => [entry.text(1) ?? '', this.#mapType(entry)]),
    )
    const all = message.messages(2).map((field) => ({
      oneof: field.flag(17) ? undefined : field.number(9),
      field: this.field(field, maps),
    }))
    const oneofs = message.messages(8).flatMap((oneof, index) => {
      const fields = all.filter((one) => one.oneof === index).map(({ field }) => field)
      // The oneof of a field that is `optional` in proto3 exists in descriptors alone.
      return fields.length === 0 ? [] : [{ name: oneof.text(1) ?? '', options: [], fields }]
    })
    return {
      kind: 'message',
      name: message.text(1) ?? '',
      options: decodeOptions(message.message(7), MESSAGE_OPTIONS),
      fields: all.filter(({ oneof }) => oneof === undefined).map(({ field }) => field),
      oneofs,
      types: [
        ...nested
          .filter((entry) => !maps.has(entry.text(1) ?? ''))
          .map((inner) => this.message(inner, depth + 1)),
        ...message.messages(4).map((declared) => this.enum(declared)),
      ],
      reserved: reservedOf(message.messages(9), message.texts(10), 1),
      extensions: reservedOf(message.messages(5), [], 1),
      extends: extendsOf(this, message.messages(6)),
    }
  }

  field(field: WireMessage, maps: ReadonlyMap<string, string> = new Map()): ProtoField {
    const name = field.text(1) ?? ''
    const typeName = field.text(6)
    const map = typeName === undefined ? undefined : maps.get(typeName.split('.').at(-1) ?? '')
    const label = LABELS[field.number(4) ?? 0]
    const isImplicit = this.#isProto3 && label === 'optional' && !field.flag(17)
    const isInOneof = field.number(9) !== undefined && !field.flag(17)
    return {
      label: isImplicit || isInOneof || map !== undefined ? undefined : label,
      type: map ?? typeName ?? FIELD_TYPES[field.number(5) ?? 0] ?? '',
      name,
      tag: field.number(3) ?? 0,
      options: [
        ...defaultOf(field),
        ...decodeOptions(field.message(8), FIELD_OPTIONS),
        ...jsonNameOf(field, name),
      ],
    }
  }

  #mapType(entry: WireMessage): string {
    const [key, value] = entry.messages(2).map((field) => this.field(field).type)
    return `map<${key ?? ''}, ${value ?? ''}>`
  }

  enum(declared: WireMessage): ProtoEnum {
    return {
      kind: 'enum',
      name: declared.text(1) ?? '',
      options: decodeOptions(declared.message(3), ENUM_OPTIONS),
      constants: declared.messages(2).map(
        (constant): ProtoConstant => ({
          name: constant.text(1) ?? '',
          tag: constant.number(2) ?? 0,
          options: decodeOptions(constant.message(3), CONSTANT_OPTIONS),
        }),
      ),
      // Unlike those of messages, ranges of enums include their end.
      reserved: reservedOf(declared.messages(4), declared.texts(5), 0),
    }
  }

  service(service: WireMessage): ProtoService {
    return {
      name: service.text(1) ?? '',
      options: [],
      methods: service.messages(2).map((method) => ({
        name: method.text(1) ?? '',
        request: { type: method.text(2) ?? '', isStream: method.flag(5) },
        response: { type: method.text(3) ?? '', isStream: method.flag(6) },
        options: decodeOptions(method.message(4), METHOD_OPTIONS),
      })),
    }
  }
}

function reservedOf(
  ranges: readonly WireMessage[],
  names: readonly string[],
  beyondEnd: number,
): (readonly ReservedRange[])[] {
  const tags = ranges.map((range): ReservedRange => {
    const from = range.number(1) ?? 0
    return { kind: 'tags', from, to: (range.number(2) ?? from) - beyondEnd }
  })
  const all = [tags, names.map((name): ReservedRange => ({ kind: 'name', name }))]
  return all.filter((list) => list.length > 0)
}

function defaultOf(field: WireMessage): ProtoOption[] {
  const text = field.text(7)
  if (text === undefined) return []
  const type = FIELD_TYPES[field.number(5) ?? 0]
  const isText = type === 'string' || type === 'bytes'
  return [{ name: 'default', value: isText ? { kind: 'string', text } : word(text) }]
}

/** Compilers write it into every descriptor; it is worth keeping where it is another one. */
function jsonNameOf(field: WireMessage, name: string): ProtoOption[] {
  const text = field.text(10)
  if (text === undefined || text === defaultJsonName(name)) return []
  return [{ name: 'json_name', value: { kind: 'string', text } }]
}
