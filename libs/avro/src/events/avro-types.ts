/**
 * The TypeScript type of an Avro schema written as a literal: what a decoder returns for it, and what
 * may be handed to an encoder. Types only; `libs/serde` returns values of exactly these types.
 *
 * An Avro `long` is a `bigint`, so that adding an `int` to it by accident does not compile; with `js: 'number'` it is a
 * number, and a value beyond 2^53 - 1 fails where it is read.
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

/** What decoding a value of schema `S` returns; names in it mean what `Root` defines, wherever in it that stands. */
export type AvroRead<S, Root = S> = S extends keyof Primitives
  ? Primitives[S]
  : S extends string
    ? ReadCalled<S, Root>
    : S extends readonly unknown[]
      ? { [I in keyof S]: AvroRead<S[I], Root> }[number]
      : S extends { readonly type: 'long'; readonly js: 'number' }
        ? number
        : S extends { readonly logicalType: infer L extends keyof LogicalTypes }
          ? LogicalTypes[L]
          : S extends RecordDefinition
            ? ReadRecord<S['fields'], Root>
            : ReadComplex<S, Root>

type ReadRecord<F extends readonly FieldDefinition[], Root> = Simplify<{
  readonly [K in F[number] as K['name']]: AvroRead<K['type'], Root>
}>

type ReadComplex<S, Root> = S extends {
  readonly type: 'enum'
  readonly symbols: readonly (infer Y)[]
}
  ? Y
  : S extends { readonly type: 'array'; readonly items: infer I }
    ? readonly AvroRead<I, Root>[]
    : S extends { readonly type: 'map'; readonly values: infer V }
      ? Readonly<Record<string, AvroRead<V, Root>>>
      : S extends { readonly type: 'fixed' }
        ? Uint8Array
        : S extends { readonly type: infer T }
          ? AvroRead<T, Root>
          : never

/** Namespaces do not count: a name may leave out that of the type around it. */
type ReadCalled<Name extends string, Root> =
  ReadNamed<Named<Root>, Root> extends {
    readonly [K in SimpleName<Name>]: infer V
  }
    ? V
    : never

type ReadNamed<D, Root> = {
  readonly [E in D as E extends { readonly name: infer M extends string }
    ? SimpleName<M>
    : never]: AvroRead<E, Root>
}

type SimpleName<Name extends string> = Name extends `${string}.${infer Rest}`
  ? SimpleName<Rest>
  : Name

/** Records, enums and fixed types that `S` defines, however deep. `any` would have no end. */
type Named<S> = 0 extends 1 & S
  ? never
  : S extends readonly unknown[]
    ? Named<S[number]>
    : S extends RecordDefinition
      ? S | Named<S['fields'][number]['type']>
      : S extends { readonly type: 'enum' | 'fixed' }
        ? S
        : NamedWithin<S>

type NamedWithin<S> = S extends { readonly type: 'array'; readonly items: infer I }
  ? Named<I>
  : S extends { readonly type: 'map'; readonly values: infer V }
    ? Named<V>
    : S extends { readonly type: infer T }
      ? Named<T>
      : never

/** What may be written as a record: fields that have a default may be left out. */
export type AvroWrite<R extends RecordDefinition> = Simplify<
  {
    readonly [F in R['fields'][number] as HasDefault<F> extends true ? never : F['name']]: AvroRead<
      F['type'],
      R
    >
  } & {
    readonly [F in R['fields'][number] as HasDefault<F> extends true
      ? F['name']
      : never]?: AvroRead<F['type'], R>
  }
>

type HasDefault<F> = F extends { readonly default: unknown } ? true : false
