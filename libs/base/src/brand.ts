declare const brand: unique symbol

/** A primitive that only its constructor can make, so that two kinds of it are never mixed. */
export type Brand<Value, Name extends string> = Value & { readonly [brand]: Name }
