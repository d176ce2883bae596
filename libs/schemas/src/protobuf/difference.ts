/** What changed from one Protobuf file to another, in Confluent's names. */
export type ProtoDifference = {
  readonly type: string
  /** As in `#/Message/1`, with the number of the field. */
  readonly path: string
}

const COMPATIBLE: ReadonlySet<string> = new Set([
  'MESSAGE_ADDED',
  'MESSAGE_MOVED',
  'ENUM_ADDED',
  'ENUM_REMOVED',
  'ENUM_CONST_ADDED',
  'ENUM_CONST_CHANGED',
  'ENUM_CONST_REMOVED',
  'FIELD_ADDED',
  'FIELD_REMOVED',
  'FIELD_NAME_CHANGED',
  'FIELD_STRING_OR_BYTES_LABEL_CHANGED',
  'ONEOF_ADDED',
  'ONEOF_REMOVED',
  'ONEOF_FIELD_ADDED',
  'ONEOF_FIELD_MOVED_TO_TOP_LEVEL',
])

export function isCompatibleProtoChange({ type }: ProtoDifference): boolean {
  return COMPATIBLE.has(type)
}

const SENTENCES: Readonly<Record<string, string>> = {
  PACKAGE_CHANGED: 'The package of the {new} schema differs from that of the {old} schema',
  MESSAGE_REMOVED: "The {new} schema is missing the message at path '{path}' of the {old} schema",
  FIELD_KIND_CHANGED:
    "The kind (scalar, message or map) of the field at path '{path}' in the {new} schema does not match its kind in the {old} schema",
  FIELD_SCALAR_KIND_CHANGED:
    "The kind of a SCALAR field at path '{path}' in the {new} schema does not match its kind in the {old} schema",
  FIELD_NAMED_TYPE_CHANGED:
    "The type of the field at path '{path}' in the {new} schema does not match its type in the {old} schema",
  FIELD_NUMERIC_LABEL_CHANGED:
    "The numeric field at path '{path}' is repeated in one of the {new} and the {old} schema only",
  REQUIRED_FIELD_ADDED:
    "The {new} schema has a required field at path '{path}' that the {old} schema does not have",
  REQUIRED_FIELD_REMOVED:
    "The {new} schema is missing the required field at path '{path}' of the {old} schema",
  ONEOF_FIELD_REMOVED:
    "The {new} schema is missing the field at path '{path}', which is in a oneof of the {old} schema",
  MULTIPLE_FIELDS_MOVED_TO_ONEOF:
    "The oneof at path '{path}' in the {new} schema makes several fields of the {old} schema exclusive",
  FIELD_MOVED_TO_EXISTING_ONEOF:
    "A field of the {old} schema is part of the oneof at path '{path}' in the {new} schema, which has others of its fields",
}

/** The difference in one sentence; `reader` is the schema that has to read. */
export function protoDifferenceSentence(
  { type, path }: ProtoDifference,
  names: { readonly reader: string; readonly writer: string },
): string {
  const sentence = SENTENCES[type] ?? `The schemas differ at path '{path}'`
  return sentence
    .replaceAll('{path}', path)
    .replaceAll('{new}', names.reader)
    .replaceAll('{old}', names.writer)
}
