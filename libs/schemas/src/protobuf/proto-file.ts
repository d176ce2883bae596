/** A Protobuf file as its text says it: nothing is resolved. Comments are gone. */
export type ProtoFile = {
  /** `proto2` when the text does not say. */
  readonly syntax: string | undefined
  readonly packageName: string | undefined
  readonly imports: readonly string[]
  readonly publicImports: readonly string[]
  readonly options: readonly ProtoOption[]
  /** Messages and enums, in the order of the text. */
  readonly types: readonly ProtoType[]
  readonly extends: readonly ProtoExtend[]
  readonly services: readonly ProtoService[]
}

export type ProtoType = ProtoMessage | ProtoEnum

export type ProtoMessage = {
  readonly kind: 'message'
  readonly name: string
  readonly options: readonly ProtoOption[]
  readonly fields: readonly ProtoField[]
  readonly oneofs: readonly ProtoOneof[]
  readonly types: readonly ProtoType[]
  /** As in `1, 5 to 9` or `"name"`. */
  readonly reserved: readonly (readonly ReservedRange[])[]
  readonly extensions: readonly (readonly ReservedRange[])[]
  readonly extends: readonly ProtoExtend[]
}

export type ReservedRange =
  | { readonly kind: 'name'; readonly name: string }
  | { readonly kind: 'tags'; readonly from: number; readonly to: number }

export type ProtoField = {
  readonly label: 'optional' | 'required' | 'repeated' | undefined
  /** As written; a map is `map<key, value>`. */
  readonly type: string
  readonly name: string
  readonly tag: number
  readonly options: readonly ProtoOption[]
}

export type ProtoOneof = {
  readonly name: string
  readonly options: readonly ProtoOption[]
  readonly fields: readonly ProtoField[]
}

export type ProtoEnum = {
  readonly kind: 'enum'
  readonly name: string
  readonly options: readonly ProtoOption[]
  readonly constants: readonly ProtoConstant[]
  readonly reserved: readonly (readonly ReservedRange[])[]
}

export type ProtoConstant = {
  readonly name: string
  readonly tag: number
  readonly options: readonly ProtoOption[]
}

export type ProtoExtend = { readonly type: string; readonly fields: readonly ProtoField[] }

export type ProtoService = {
  readonly name: string
  readonly options: readonly ProtoOption[]
  readonly methods: readonly ProtoMethod[]
}

export type ProtoMethod = {
  readonly name: string
  readonly request: { readonly type: string; readonly isStream: boolean }
  readonly response: { readonly type: string; readonly isStream: boolean }
  readonly options: readonly ProtoOption[]
}

export type ProtoOption = {
  /** With the parentheses of an extension's name: `(confluent.field_meta).doc`. */
  readonly name: string
  readonly value: OptionValue
}

export type OptionValue =
  | { readonly kind: 'string'; readonly text: string }
  /** A number, a boolean or the name of a constant. */
  | { readonly kind: 'word'; readonly text: string }
  | { readonly kind: 'list'; readonly items: readonly OptionValue[] }
  | { readonly kind: 'message'; readonly members: readonly (readonly [string, OptionValue])[] }

export const SCALARS: ReadonlySet<string> = new Set([
  'int32',
  'int64',
  'uint32',
  'uint64',
  'sint32',
  'sint64',
  'fixed32',
  'fixed64',
  'sfixed32',
  'sfixed64',
  'bool',
  'string',
  'bytes',
  'float',
  'double',
])

const MAP = /^map<([^,]+), (.+)>$/

/** Key and value of a map's type; undefined for other types. */
export function mapTypes(
  type: string,
): { readonly key: string; readonly value: string } | undefined {
  const [, key, value] = MAP.exec(type) ?? []
  return key === undefined || value === undefined ? undefined : { key, value }
}

export const TAG_MAX: number = 2 ** 29 - 1
