import type { JsonValue } from '@fairlead/avro'

/**
 * A JSON Schema as Confluent compares it: each schema object becomes nodes of one kind, and keywords
 * of several kinds in one object an `allOf` of them. References are resolved: a recursive schema is a
 * cyclic graph. Built by `loadJsonSchema` only.
 */
export type JsonSchema =
  | (Annotated & { readonly kind: 'any' | 'nothing' | 'null' | 'boolean' | 'conditional' })
  | StringSchema
  | NumberSchema
  | (Annotated & { readonly kind: 'enum'; readonly values: ReadonlySet<string> })
  | (Annotated & { readonly kind: 'const'; readonly value: string })
  | (Annotated & { readonly kind: 'not'; readonly excluded: JsonSchema })
  | CombinedSchema
  | ObjectSchema
  | ArraySchema
  | (Annotated & { readonly kind: 'reference'; readonly target: JsonSchema })

export type Annotated = {
  /** The text from which it was read. */
  readonly source: JsonValue
  readonly hasDefault: boolean
}

export type StringSchema = Annotated & {
  readonly kind: 'string'
  readonly minLength: number | undefined
  readonly maxLength: number | undefined
  readonly pattern: string | undefined
}

export type NumberSchema = Annotated & {
  readonly kind: 'number'
  readonly isInteger: boolean
  readonly minimum: number | undefined
  readonly maximum: number | undefined
  readonly exclusiveMinimum: number | undefined
  readonly exclusiveMaximum: number | undefined
  readonly multipleOf: number | undefined
}

export type Criterion = 'allOf' | 'anyOf' | 'oneOf'
export type CombinedSchema = Annotated & {
  readonly kind: 'combined'
  readonly criterion: Criterion
  readonly parts: readonly JsonSchema[]
}

export type ObjectSchema = Annotated & {
  readonly kind: 'object'
  readonly properties: ReadonlyMap<string, JsonSchema>
  readonly required: ReadonlySet<string>
  readonly patternProperties: ReadonlyMap<string, JsonSchema>
  /** False forbids what is not named, true and a schema allow it. */
  readonly additional: JsonSchema | boolean
  readonly requiredWith: ReadonlyMap<string, ReadonlySet<string>>
  readonly schemaWith: ReadonlyMap<string, JsonSchema>
  readonly minProperties: number | undefined
  readonly maxProperties: number | undefined
}

export type ArraySchema = Annotated & {
  readonly kind: 'array'
  /** Of every item. */
  readonly items: JsonSchema | undefined
  /** Of the items by position. */
  readonly tuple: readonly JsonSchema[]
  readonly additional: JsonSchema | boolean
  readonly minItems: number | undefined
  readonly maxItems: number | undefined
  readonly minContains: number | undefined
  readonly maxContains: number | undefined
  readonly isUnique: boolean
}
