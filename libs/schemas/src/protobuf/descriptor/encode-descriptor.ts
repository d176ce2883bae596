import type { LoadedProto } from '../load-proto.ts'
import { SCALARS, mapTypes } from '../proto-file.ts'
import type {
  ProtoEnum,
  ProtoField,
  ProtoMessage,
  ProtoOption,
  ProtoService,
  ReservedRange,
} from '../proto-file.ts'
import type { ProtoTypes } from '../proto-types.ts'
import { encodeBase64 } from './base64.ts'
import {
  CONSTANT_OPTIONS,
  ENUM_OPTIONS,
  ENUM_TYPE,
  FIELD_OPTIONS,
  FIELD_TYPES,
  FILE_OPTIONS,
  LABELS,
  MESSAGE_OPTIONS,
  MESSAGE_TYPE,
  METHOD_OPTIONS,
  defaultJsonName,
  encodeOptions,
} from './descriptor-tables.ts'
import { WireWriter } from './wire.ts'

const MAP_ENTRY = 7

/** The file as `FileDescriptorProto` in base64: what Confluent calls the format `serialized`. */
export function serializedProto({ file, types }: LoadedProto): string {
  const encoder = new DescriptorEncoder(types, file.syntax === 'proto3')
  const scope = file.packageName ?? ''
  const imports = [...file.imports, ...file.publicImports]
  const writer = new WireWriter().text(1, 'default').text(2, file.packageName).texts(3, imports)
  for (const message of file.types.filter((type) => type.kind === 'message')) {
    writer.messages(4, [encoder.message(message, scope)])
  }
  for (const declared of file.types.filter((type) => type.kind === 'enum')) {
    writer.messages(5, [encoder.enum(declared)])
  }
  writer
    .messages(
      6,
      file.services.map((service) => encoder.service(service, scope)),
    )
    .options(8, encodeOptions(file.options, FILE_OPTIONS))
  file.publicImports.forEach((_path, index) => writer.number(10, file.imports.length + index))
  if (file.syntax === 'proto3') writer.text(12, file.syntax)
  return encodeBase64(writer.bytes)
}

class DescriptorEncoder {
  readonly #types: ProtoTypes
  readonly #isProto3: boolean

  constructor(types: ProtoTypes, isProto3: boolean) {
    this.#types = types
    this.#isProto3 = isProto3
  }

  message(message: ProtoMessage, outer: string): WireWriter {
    const scope = outer === '' ? message.name : `${outer}.${message.name}`
    const optionals = this.#isProto3
      ? message.fields.filter(({ label }) => label === 'optional')
      : []
    const oneofNames = [
      ...message.oneofs.map(({ name }) => name),
      ...optionals.map(({ name }) => `_${name}`),
    ]
    const indexOf = (name: string): number => oneofNames.indexOf(name)
    const fields = [
      ...message.fields.map((field) =>
        this.#field(
          field,
          scope,
          optionals.includes(field) ? indexOf(`_${field.name}`) : undefined,
        ),
      ),
      ...message.oneofs.flatMap((oneof) =>
        oneof.fields.map((field) => this.#field(field, scope, indexOf(oneof.name))),
      ),
    ]
    const entries = message.fields.filter(({ type }) => mapTypes(type) !== undefined)
    const nested = message.types.filter((type) => type.kind === 'message')
    const enums = message.types.filter((type) => type.kind === 'enum')
    const writer = new WireWriter()
      .text(1, message.name)
      .messages(2, fields)
      .messages(
        3,
        nested.map((inner) => this.message(inner, scope)),
      )
      .messages(
        3,
        entries.map((field) => this.#mapEntry(field, scope)),
      )
      .messages(
        4,
        enums.map((declared) => this.enum(declared)),
      )
      .messages(5, rangesOf(message.extensions.flat(), 1))
      .options(7, encodeOptions(message.options, MESSAGE_OPTIONS))
      .messages(
        8,
        oneofNames.map((name) => new WireWriter().text(1, name)),
      )
    return withReserved(writer, message.reserved.flat(), { ranges: 9, names: 10, beyondEnd: 1 })
  }

  #field(field: ProtoField, scope: string, oneofIndex: number | undefined): WireWriter {
    const { label, type, name, tag, options } = field
    const isMap = mapTypes(type) !== undefined
    const labelText = isMap ? 'repeated' : (label ?? 'optional')
    const found = this.#types.resolve(isMap ? entryName(name) : type, scope)
    const isEnum = found?.type.kind === 'enum'
    const named = isEnum ? ENUM_TYPE : MESSAGE_TYPE
    const fullName = isMap ? `${scope}.${entryName(name)}` : (found?.fullName ?? type)
    const jsonName = optionText(options, 'json_name') ?? defaultJsonName(name)
    return new WireWriter()
      .text(1, name)
      .number(3, tag)
      .number(4, LABELS.indexOf(labelText))
      .number(5, SCALARS.has(type) ? FIELD_TYPES.indexOf(type) : named)
      .text(6, SCALARS.has(type) ? undefined : `.${fullName.replace(/^\./, '')}`)
      .text(7, optionText(options, 'default'))
      .options(8, encodeOptions(options, FIELD_OPTIONS))
      .number(9, oneofIndex)
      .text(10, jsonName)
      .flag(17, this.#isProto3 && label === 'optional')
  }

  #mapEntry({ name, type }: ProtoField, scope: string): WireWriter {
    const { key = '', value = '' } = mapTypes(type) ?? {}
    const member = (memberName: string, memberType: string, tag: number): WireWriter => {
      const field = { label: undefined, type: memberType, name: memberName, tag, options: [] }
      return this.#field(field, scope, undefined)
    }
    return new WireWriter()
      .text(1, entryName(name))
      .messages(2, [member('key', key, 1), member('value', value, 2)])
      .options(7, new WireWriter().flag(MAP_ENTRY, true))
  }

  enum({ name, options, constants, reserved }: ProtoEnum): WireWriter {
    const values = constants.map((constant) =>
      new WireWriter()
        .text(1, constant.name)
        .number(2, constant.tag)
        .options(3, encodeOptions(constant.options, CONSTANT_OPTIONS)),
    )
    const writer = new WireWriter()
      .text(1, name)
      .messages(2, values)
      .options(3, encodeOptions(options, ENUM_OPTIONS))
    return withReserved(writer, reserved.flat(), { ranges: 4, names: 5, beyondEnd: 0 })
  }

  service({ name, methods }: ProtoService, scope: string): WireWriter {
    const typeName = (type: string): string => {
      const found = this.#types.resolve(type, scope)
      return `.${(found?.fullName ?? type).replace(/^\./, '')}`
    }
    const encoded = methods.map(({ name: method, request, response, options }) =>
      new WireWriter()
        .text(1, method)
        .text(2, typeName(request.type))
        .text(3, typeName(response.type))
        .options(4, encodeOptions(options, METHOD_OPTIONS))
        .flag(5, request.isStream)
        .flag(6, response.isStream),
    )
    return new WireWriter().text(1, name).messages(2, encoded)
  }
}

/** As protoc calls the message of a map's entries. */
function entryName(fieldName: string): string {
  const camel = defaultJsonName(fieldName)
  return `${camel.charAt(0).toUpperCase()}${camel.slice(1)}Entry`
}

function optionText(options: readonly ProtoOption[], name: string): string | undefined {
  const value = options.find((option) => option.name === name)?.value
  return value?.kind === 'string' || value?.kind === 'word' ? value.text : undefined
}

function withReserved(
  writer: WireWriter,
  reserved: readonly ReservedRange[],
  tags: { readonly ranges: number; readonly names: number; readonly beyondEnd: number },
): WireWriter {
  const names = reserved.flatMap((range) => (range.kind === 'name' ? [range.name] : []))
  return writer.messages(tags.ranges, rangesOf(reserved, tags.beyondEnd)).texts(tags.names, names)
}

function rangesOf(ranges: readonly ReservedRange[], beyondEnd: number): WireWriter[] {
  return ranges.flatMap((range) =>
    range.kind === 'tags'
      ? [new WireWriter().number(1, range.from).number(2, range.to + beyondEnd)]
      : [],
  )
}
