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

/** Of a long, and of nothing else: on another type, Avro passes over the annotation. */
type Timestamp = 'timestamp-millis' | 'timestamp-micros'

export type Simplify<T> = { [K in keyof T]: T[K] } & {}

/** What decoding a value of schema `S` returns. */
export type AvroRead<S> = ValueOf<S, 'read', S, ''>

/** What may be written as a record: fields that have a default may be left out, also of the records within. */
export type AvroWrite<R extends RecordDefinition> = ValueOf<R, 'write', R, ''>

/** Whether a value is complete, as a decoder returns it, or may lack what a default stands in for. */
type Use = 'read' | 'write'

/**
 * A value of schema `S`. Names in it mean what `Root` defines, wherever in it that stands; `Around` is the namespace
 * that names without one are in.
 */
type ValueOf<S, U extends Use, Root, Around extends string> = S extends keyof Primitives
  ? Primitives[S]
  : S extends string
    ? ValueCalled<S, U, Root, Around>
    : S extends readonly unknown[]
      ? { [I in keyof S]: ValueOf<S[I], U, Root, Around> }[number]
      : S extends { readonly type: 'long'; readonly js: 'number' }
        ? number
        : S extends { readonly type: 'long'; readonly logicalType: Timestamp }
          ? Date
          : S extends RecordDefinition
            ? RecordValue<S['fields'][number], U, Root, NamespaceOf<S, Around>>
            : ComplexValue<S, U, Root, Around>

type RecordValue<F extends FieldDefinition, U extends Use, Root, Around extends string> = Simplify<
  {
    readonly [K in F as U extends 'write' ? WithoutDefault<K> : K['name']]: ValueOf<
      K['type'],
      U,
      Root,
      Around
    >
  } & {
    readonly [K in F as U extends 'write' ? WithDefault<K> : never]?: ValueOf<
      K['type'],
      U,
      Root,
      Around
    >
  }
>

type WithDefault<F extends FieldDefinition> = F extends { readonly default: unknown }
  ? F['name']
  : never
type WithoutDefault<F extends FieldDefinition> = F extends { readonly default: unknown }
  ? never
  : F['name']

type ComplexValue<S, U extends Use, Root, Around extends string> = S extends {
  readonly type: 'enum'
  readonly symbols: readonly (infer Y)[]
}
  ? Y
  : S extends { readonly type: 'array'; readonly items: infer I }
    ? readonly ValueOf<I, U, Root, Around>[]
    : S extends { readonly type: 'map'; readonly values: infer V }
      ? Readonly<Record<string, ValueOf<V, U, Root, Around>>>
      : S extends { readonly type: 'fixed' }
        ? Uint8Array
        : S extends { readonly type: infer T }
          ? ValueOf<T, U, Root, Around>
          : never

/** A name without namespace means the type of that around it, or else the one that has none. */
type ValueCalled<Name extends string, U extends Use, Root, Around extends string> =
  ValuesNamed<Named<Root>, U, Root> extends { readonly [K in FullName<Name, Around>]: infer V }
    ? V
    : ValuesNamed<Named<Root>, U, Root> extends { readonly [K in Name]: infer V }
      ? V
      : never

type ValuesNamed<D, U extends Use, Root> = {
  readonly [E in D as E extends Definition<infer F> ? F : never]: E extends {
    readonly schema: infer S
    readonly around: infer A extends string
  }
    ? ValueOf<S, U, Root, A>
    : never
}

/** A type that a schema defines, by its full name, with the namespace around it. */
type Definition<F extends string, S = unknown, A extends string = string> = {
  readonly fullName: F
  readonly schema: S
  readonly around: A
}

type FullName<Name extends string, Around extends string> = Name extends `${string}.${string}`
  ? Name
  : Around extends ''
    ? Name
    : `${Around}.${Name}`

/** The namespace of a named type, which its fields are in. */
type NamespaceOf<S, Around extends string> = S extends {
  readonly name: `${infer First}.${infer Rest}`
}
  ? Qualifier<First, Rest>
  : S extends { readonly namespace: infer N extends string }
    ? N
    : Around

/** Of `First.Rest`, all but what stands behind the last dot. */
type Qualifier<
  First extends string,
  Rest extends string,
> = Rest extends `${infer Second}.${infer Others}` ? Qualifier<`${First}.${Second}`, Others> : First

/** Records, enums and fixed types that `S` defines, however deep. `any` would have no end. */
type Named<S, Around extends string = ''> = 0 extends 1 & S
  ? never
  : S extends readonly unknown[]
    ? Named<S[number], Around>
    : S extends RecordDefinition
      ? DefinitionOf<S, Around> | Named<S['fields'][number]['type'], NamespaceOf<S, Around>>
      : S extends { readonly type: 'enum' | 'fixed' }
        ? DefinitionOf<S, Around>
        : NamedWithin<S, Around>

type DefinitionOf<S, Around extends string> = S extends { readonly name: infer M extends string }
  ? Definition<FullName<M, NamespaceOf<S, Around>>, S, Around>
  : never

type NamedWithin<S, Around extends string> = S extends {
  readonly type: 'array'
  readonly items: infer I
}
  ? Named<I, Around>
  : S extends { readonly type: 'map'; readonly values: infer V }
    ? Named<V, Around>
    : S extends { readonly type: infer T }
      ? Named<T, Around>
      : never

/** Names of the fields that may be the key of an event. */
export type KeyField<R extends RecordDefinition> = KeyFieldName<R['fields'][number]>

type KeyFieldName<F extends FieldDefinition> = F extends FieldDefinition
  ? true extends IsNoKey<F['type']>
    ? never
    : F['name']
  : never

/** True of what has no text that tells its values apart, or may be null. */
type IsNoKey<T> = T extends 'null' | 'bytes'
  ? true
  : T extends readonly unknown[]
    ? IsNoKey<T[number]>
    : T extends { readonly type: 'long'; readonly js: 'number' }
      ? never
      : T extends { readonly type: 'long'; readonly logicalType: Timestamp }
        ? true
        : T extends { readonly type: 'record' | 'array' | 'map' | 'fixed' }
          ? true
          : T extends { readonly type: infer U }
            ? IsNoKey<U>
            : never
