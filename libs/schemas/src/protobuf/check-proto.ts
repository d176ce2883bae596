import { InvalidSchemaError } from '../invalid-schema-error.ts'
import { SCALARS, mapTypes } from './proto-file.ts'
import type { ProtoEnum, ProtoField, ProtoFile, ProtoMessage, ProtoType } from './proto-file.ts'
import type { ProtoTypes } from './proto-types.ts'

/** What protoc refuses although it parses. @throws {InvalidSchemaError} */
export function checkProto(file: ProtoFile, types: ProtoTypes): void {
  const { syntax } = file
  if (syntax !== undefined && syntax !== 'proto2' && syntax !== 'proto3') {
    throw new InvalidSchemaError(`syntax must be "proto2" or "proto3", not "${syntax}"`)
  }
  const check = new ProtoCheck(types, syntax === 'proto3')
  check.types(file.types, file.packageName ?? '')
}

class ProtoCheck {
  readonly #types: ProtoTypes
  readonly #isProto3: boolean

  constructor(types: ProtoTypes, isProto3: boolean) {
    this.#types = types
    this.#isProto3 = isProto3
  }

  types(types: readonly ProtoType[], scope: string): void {
    refuseDuplicate(
      types.map(({ name }) => name),
      (name) => `"${name}" is defined twice in "${scope}"`,
    )
    for (const type of types) {
      const fullName = scope === '' ? type.name : `${scope}.${type.name}`
      if (type.kind === 'enum') this.#enum(type, fullName)
      else this.#message(type, fullName)
    }
  }

  #message(message: ProtoMessage, fullName: string): void {
    const fields = [...message.fields, ...message.oneofs.flatMap((oneof) => oneof.fields)]
    refuseDuplicate(
      fields.map(({ name }) => name),
      (name) => `${fullName}: two fields are called "${name}"`,
    )
    refuseDuplicate(
      fields.map(({ tag }) => tag),
      (tag) => `${fullName}: two fields have the number ${tag}`,
    )
    const reserved = message.reserved.flat()
    for (const field of fields) {
      this.#field(field, fullName)
      const isReserved = reserved.some((range) =>
        range.kind === 'name'
          ? range.name === field.name
          : field.tag >= range.from && field.tag <= range.to,
      )
      if (isReserved) {
        throw new InvalidSchemaError(
          `${fullName}.${field.name}: its name or number ${field.tag} is reserved`,
        )
      }
    }
    this.types(message.types, fullName)
  }

  #field({ label, type, name }: ProtoField, message: string): void {
    if (this.#isProto3 && label === 'required') {
      throw new InvalidSchemaError(`${message}.${name}: proto3 has no required fields`)
    }
    const map = mapTypes(type)
    for (const used of map === undefined ? [type] : [map.key, map.value]) {
      if (SCALARS.has(used) || this.#types.resolve(used, message) !== undefined) continue
      throw new InvalidSchemaError(`${message}.${name}: the type "${used}" is not defined`)
    }
  }

  #enum({ constants }: ProtoEnum, fullName: string): void {
    refuseDuplicate(
      constants.map(({ name }) => name),
      (name) => `${fullName}: two constants are called "${name}"`,
    )
    const [first] = constants
    if (first === undefined) throw new InvalidSchemaError(`${fullName}: an enum has constants`)
    if (this.#isProto3 && first.tag !== 0) {
      throw new InvalidSchemaError(`${fullName}: in proto3 the first constant has the number 0`)
    }
  }
}

function refuseDuplicate<Value>(values: readonly Value[], message: (value: Value) => string): void {
  const seen = new Set<Value>()
  for (const value of values) {
    if (seen.has(value)) throw new InvalidSchemaError(message(value))
    seen.add(value)
  }
}
