/**
 * JSON as it was written: members in source order, integers with all their digits. `JSON.parse`
 * would round 64-bit defaults and print decimals unlike Java, and stored schema text must come back
 * byte for byte.
 */
export type JsonValue =
  | JsonNull
  | JsonBoolean
  | JsonInteger
  | JsonDecimal
  | JsonString
  | JsonArray
  | JsonObject

type At = {
  /** UTF-16 position of the value's first character in the text. */
  readonly position: number
}

export type JsonNull = At & { readonly kind: 'null' }
export type JsonBoolean = At & { readonly kind: 'boolean'; readonly value: boolean }
/** A number without fraction and exponent, of any size. */
export type JsonInteger = At & { readonly kind: 'integer'; readonly value: bigint }
/** A number with a fraction or an exponent: a double, as in Jackson. */
export type JsonDecimal = At & {
  readonly kind: 'decimal'
  readonly value: number
  /** Java's `float`: it prints with the digits that a float needs. */
  readonly isFloat?: boolean
}
export type JsonString = At & { readonly kind: 'string'; readonly value: string }
export type JsonArray = At & { readonly kind: 'array'; readonly items: readonly JsonValue[] }
/** A Map, so that a member named `__proto__` is a member like any other. */
export type JsonObject = At & {
  readonly kind: 'object'
  readonly members: ReadonlyMap<string, JsonValue>
}
