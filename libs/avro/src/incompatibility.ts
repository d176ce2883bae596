import type { AvroSchema } from './schema.ts'

/** Names of Avro's `SchemaIncompatibilityType`, and Confluent's own for a check that gave up. */
export type IncompatibilityType =
  | 'NAME_MISMATCH'
  | 'FIXED_SIZE_MISMATCH'
  | 'MISSING_ENUM_SYMBOLS'
  | 'READER_FIELD_MISSING_DEFAULT_VALUE'
  | 'TYPE_MISMATCH'
  | 'MISSING_UNION_BRANCH'
  | 'EXCEPTION'

/** One reason why a reader cannot read what a writer wrote. */
export type Incompatibility = {
  readonly type: IncompatibilityType
  /**
   * Where, as Avro in Java says it: branches of a writer's union count in it, and a type that is
   * used twice is reported where it was met first. `/` is the top level.
   */
  readonly path: string
  /** JSON pointers into the text of either schema; `''` is the whole text. */
  readonly readerPointer: string
  readonly writerPointer: string
  /** Avro's own short wording: names, types or symbols. */
  readonly detail: string
  readonly reader: AvroSchema
  readonly writer: AvroSchema
  /** Why no branch of the reader's union fits: the reasons of the branch that comes closest. */
  readonly causes: readonly Incompatibility[]
}

/** Which of the two schemas is the one that is being registered. */
export type ReaderIs = 'new' | 'old'

/** The reason in one sentence, as Confluent's registry words it. */
export function incompatibilityMessage(reason: Incompatibility, readerIs: ReaderIs): string {
  const [reader, writer] = readerIs === 'new' ? ['new', 'old'] : ['old', 'new']
  const { path, detail } = reason
  switch (reason.type) {
    case 'READER_FIELD_MISSING_DEFAULT_VALUE':
      return `The field '${detail}' at path '${path}' in the ${reader} schema has no default value and is missing in the ${writer} schema`
    case 'NAME_MISMATCH':
      return `The name of the schema has changed (path '${path}')`
    case 'FIXED_SIZE_MISMATCH':
      return `The size of FIXED type field at path '${path}' in the ${reader} schema does not match with the ${writer} schema`
    case 'MISSING_ENUM_SYMBOLS':
      return `The ${reader} schema is missing enum symbols '${detail}' at path '${path}' in the ${writer} schema`
    case 'TYPE_MISMATCH':
      return `The type (path '${path}') of a field in the ${reader} schema does not match with the ${writer} schema`
    case 'MISSING_UNION_BRANCH':
      return `The ${reader} schema is missing a type inside a union field at path '${path}' in the ${writer} schema`
    case 'EXCEPTION':
      return `${detail} (path '${path}')`
  }
}
