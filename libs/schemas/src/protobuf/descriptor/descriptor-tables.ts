import type { OptionValue, ProtoOption } from '../proto-file.ts'
import type { WireMessage } from './wire.ts'
import { WireWriter } from './wire.ts'

/** `FieldDescriptorProto.Type` by its number. */
export const FIELD_TYPES: readonly string[] = [
  '',
  'double',
  'float',
  'int64',
  'uint64',
  'int32',
  'fixed64',
  'fixed32',
  'bool',
  'string',
  'group',
  'message',
  'bytes',
  'uint32',
  'enum',
  'sfixed32',
  'sfixed64',
  'sint32',
  'sint64',
]
export const MESSAGE_TYPE: number = FIELD_TYPES.indexOf('message')
export const ENUM_TYPE: number = FIELD_TYPES.indexOf('enum')

export const LABELS = [undefined, 'optional', 'required', 'repeated'] as const

type OptionTable = Readonly<
  Record<string, { readonly tag: number; readonly kind: 'text' | 'flag' }>
>

const flag = (tag: number) => ({ tag, kind: 'flag' as const })
const text = (tag: number) => ({ tag, kind: 'text' as const })

/** Options of descriptors that say something to who generates code; others are not carried over. */
export const FILE_OPTIONS: OptionTable = {
  java_package: text(1),
  java_outer_classname: text(8),
  java_multiple_files: flag(10),
  go_package: text(11),
  deprecated: flag(23),
  objc_class_prefix: text(36),
  csharp_namespace: text(37),
  swift_prefix: text(39),
  php_class_prefix: text(40),
  php_namespace: text(41),
  ruby_package: text(45),
}
export const MESSAGE_OPTIONS: OptionTable = { deprecated: flag(3) }
export const FIELD_OPTIONS: OptionTable = { packed: flag(2), deprecated: flag(3) }
export const ENUM_OPTIONS: OptionTable = { allow_alias: flag(2), deprecated: flag(3) }
export const CONSTANT_OPTIONS: OptionTable = { deprecated: flag(1) }
export const METHOD_OPTIONS: OptionTable = { deprecated: flag(33) }

export function decodeOptions(message: WireMessage | undefined, table: OptionTable): ProtoOption[] {
  if (message === undefined) return []
  return Object.entries(table).flatMap(([name, { tag, kind }]): ProtoOption[] => {
    if (kind === 'text') {
      const value = message.text(tag)
      return value === undefined ? [] : [{ name, value: { kind: 'string', text: value } }]
    }
    const value = message.number(tag)
    return value === undefined ? [] : [{ name, value: word(value === 0 ? 'false' : 'true') }]
  })
}

export function encodeOptions(options: readonly ProtoOption[], table: OptionTable): WireWriter {
  const writer = new WireWriter()
  for (const { name, value } of options) {
    const option = Object.hasOwn(table, name) ? table[name] : undefined
    if (option?.kind === 'text' && value.kind === 'string') writer.text(option.tag, value.text)
    if (option?.kind === 'flag' && value.kind === 'word') {
      writer.number(option.tag, value.text === 'true' ? 1 : 0)
    }
  }
  return writer
}

export function word(value: string): OptionValue {
  return { kind: 'word', text: value }
}

/** The name in JSON that a field has unless it says another one. */
export function defaultJsonName(name: string): string {
  return name.replace(/_+([^_])/g, (_match, letter: string) => letter.toUpperCase())
}
