/**
 * The TypeScript type of an Avro schema written as a literal: what a decoder returns for it, and what
 * may be handed to an encoder. Types only; `libs/serde` returns values of exactly these types.
 *
 * An Avro `long` is a `bigint`, so that adding an `int` to it by accident does not compile.
 */

/** A field of a record schema; `type` is checked where it is used, see {@link AvroRead}. */
export type FieldDefinition = {
  readonly name: string
  readonly type: unknown
  readonly default?: unknown
}

/** A record schema as a literal, in the JSON form of the Avro specification. */
export type RecordDefinition = {
  readonly type: 'record'
  readonly name: string
  readonly namespace?: string
  readonly fields: readonly FieldDefinition[]
}

type Primitives = {
  null: null
  boolean: boolean
  int: number
  long: bigint
  float: number
  double: number
  string: string
  bytes: Uint8Array
}

type LogicalTypes = {
  'timestamp-millis': Date
  'timestamp-micros': Date
  uuid: string
}

export type Simplify<T> = { [K in keyof T]: T[K] } & {}

/** What decoding a value of schema `S` returns. */
export type AvroRead<S> = S extends keyof Primitives
  ? Primitives[S]
  : S extends readonly unknown[]
    ? { [I in keyof S]: AvroRead<S[I]> }[number]
    : S extends { readonly logicalType: infer L extends keyof LogicalTypes }
      ? LogicalTypes[L]
      : S extends RecordDefinition
        ? ReadRecord<S['fields']>
        : ReadComplex<S>

type ReadRecord<F extends readonly FieldDefinition[]> = Simplify<{
  readonly [K in F[number] as K['name']]: AvroRead<K['type']>
}>

type ReadComplex<S> = S extends {
  readonly type: 'enum'
  readonly symbols: readonly (infer Y)[]
}
  ? Y
  : S extends { readonly type: 'array'; readonly items: infer I }
    ? readonly AvroRead<I>[]
    : S extends { readonly type: 'map'; readonly values: infer V }
      ? Readonly<Record<string, AvroRead<V>>>
      : S extends { readonly type: 'fixed' }
        ? Uint8Array
        : S extends { readonly type: infer T extends keyof Primitives }
          ? Primitives[T]
          : never

/** What may be written as a record: fields that have a default may be left out. */
export type AvroWrite<R extends RecordDefinition> = Simplify<
  {
    readonly [F in R['fields'][number] as HasDefault<F> extends true ? never : F['name']]: AvroRead<
      F['type']
    >
  } & {
    readonly [F in R['fields'][number] as HasDefault<F> extends true
      ? F['name']
      : never]?: AvroRead<F['type']>
  }
>

type HasDefault<F> = F extends { readonly default: unknown } ? true : false
