import type { ErrorCode } from '../error-codes.ts'

/**
 * How Kafka's messages are described: once, as data. Codecs for both directions and the TypeScript
 * types follow from the description. Names are those of Kafka's message definitions, with the first
 * letter in lower case.
 */

/** TypeScript type of each primitive of the protocol. int64 outside ±(2^53 - 1) is an error. */
type PrimitiveValues = {
  bool: boolean
  int8: number
  int16: number
  uint16: number
  int32: number
  int64: number
  float64: number
  uuid: string
  string: string
  bytes: Uint8Array
  records: Uint8Array
  errorCode: ErrorCode
}

export type Primitive = keyof PrimitiveValues

type FieldShape =
  | { readonly type: Primitive }
  | { readonly array: Primitive | Fields }
  | { readonly struct: Fields }

/**
 * One field. Versions are ranges such as `3+` or `0-7`; absent means all supported versions.
 *
 * - `nullable`: versions in which the field may be null.
 * - `tag`: the field is a tagged field of this number, in its versions.
 * - `default`: its value where the version lacks it, or a tagged field is absent. Without one, the
 *   default is that of Kafka: zero, empty, false.
 */
export type Field = FieldShape & {
  readonly versions?: string
  readonly nullable?: string
  readonly tag?: number
  readonly default?: boolean | number | string | null
}

/** The fields of a struct, in the order of the wire. */
export type Fields = { readonly [name: string]: Field }

/** The records of a message that is being written: chunks stay chunks, and are never joined. */
type WritableRecords = Uint8Array | readonly Uint8Array[]

type Nullable<F, Value> = F extends { readonly nullable: string } ? Value | null : Value

/** A struct as it is decoded: every field of every version is there. */
export type Decoded<S extends Fields> = {
  readonly [Name in keyof S]: Nullable<S[Name], DecodedField<S[Name]>>
}

type DecodedField<F> = F extends { readonly type: infer P extends Primitive }
  ? PrimitiveValues[P]
  : F extends { readonly array: infer P extends Primitive }
    ? readonly PrimitiveValues[P][]
    : F extends { readonly array: infer S extends Fields }
      ? readonly Decoded<S>[]
      : F extends { readonly struct: infer S extends Fields }
        ? Decoded<S>
        : never

type OptionalNames<S extends Fields> = {
  [Name in keyof S]: S[Name] extends { readonly default: unknown } | { readonly versions: string }
    ? Name
    : never
}[keyof S]

/**
 * A struct as it is encoded: a field may be left out when it has an explicit default, or is not in
 * all supported versions. Fields that the version at hand lacks are not written.
 */
export type Encodable<S extends Fields> = {
  readonly [Name in Exclude<keyof S, OptionalNames<S>>]: Nullable<S[Name], EncodableField<S[Name]>>
} & {
  readonly [Name in OptionalNames<S>]?: Nullable<S[Name], EncodableField<S[Name]>> | undefined
}

type EncodableField<F> = F extends { readonly type: 'records' }
  ? WritableRecords
  : F extends { readonly type: infer P extends Primitive }
    ? PrimitiveValues[P]
    : F extends { readonly array: infer P extends Primitive }
      ? readonly PrimitiveValues[P][]
      : F extends { readonly array: infer S extends Fields }
        ? readonly Encodable<S>[]
        : F extends { readonly struct: infer S extends Fields }
          ? Encodable<S>
          : never
