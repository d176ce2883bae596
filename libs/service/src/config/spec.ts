/** What every key has: its meaning, for `--help` and the docs. */
type Described = { readonly doc: string; readonly secret?: boolean; readonly required?: boolean }

/**
 * One configuration key. `secret` values are masked wherever the configuration is printed.
 *
 * - `int`: an integer from `min` to `max`, both inclusive. An int64 that no number holds becomes the
 *   number nearest to it.
 * - `number`: a decimal number from `min` to `max`, both inclusive.
 * - `list`: comma-separated text, or a YAML list; items are trimmed, empty ones dropped.
 * - `url`: an absolute URL with one of `protocols`, such as `postgres:`.
 * - `family`: not one key, but all that begin with this one (`topic.creation.`) and have no description of
 *   their own: what follows it is for the app to check, with the text of each. `members` is a pattern of
 *   that for `--help`.
 * - `unsupported`: a key that users know from elsewhere and that has no effect here: accepted, with
 *   a warning that says so. `check` says what is wrong with a value, if anything.
 */
export type KeySpec =
  | (Described & { readonly type: 'string'; readonly default?: string; readonly pattern?: RegExp })
  | (Described & {
      readonly type: 'int'
      readonly default?: number
      readonly min?: number
      readonly max?: number
    })
  | (Described & {
      readonly type: 'number'
      readonly default?: number
      readonly min?: number
      readonly max?: number
    })
  | (Described & { readonly type: 'boolean'; readonly default?: boolean })
  | (Described & { readonly type: 'list'; readonly default?: readonly string[] })
  | (Described & {
      readonly type: 'enum'
      readonly default?: string
      readonly values: readonly string[]
    })
  | (Described & {
      readonly type: 'url'
      readonly default?: string
      readonly protocols?: readonly string[]
    })
  | (Described & { readonly type: 'family'; readonly members: string })
  | (Described & {
      readonly type: 'unsupported'
      readonly check?: (text: string) => string | undefined
    })

/** By what follows the name of the family, in no order; each as it was written, trimmed. */
export type ConfigFamily = Readonly<Record<string, string>>

/** Dotted key, such as `slot.name`, to its description. */
export type ConfigSpec = Readonly<Record<string, KeySpec>>

type ValueOf<Key extends KeySpec> = Key extends { type: 'int' | 'number' }
  ? number
  : Key extends { type: 'boolean' }
    ? boolean
    : Key extends { type: 'list' }
      ? readonly string[]
      : Key extends { type: 'enum'; values: readonly (infer Value)[] }
        ? Value
        : Key extends { type: 'family' }
          ? ConfigFamily
          : string

type IsAlwaysSet<Key> = Key extends { default: unknown } | { required: true } | { type: 'family' }
  ? true
  : false

/** The checked configuration: `config['slot.name']` has the type that its spec gives. */
export type ConfigOf<Spec extends ConfigSpec> = {
  readonly [Key in keyof Spec]: IsAlwaysSet<Spec[Key]> extends true
    ? ValueOf<Spec[Key]>
    : ValueOf<Spec[Key]> | undefined
}

/** The family that a key without a description belongs to. */
export function familyOf(spec: ConfigSpec, key: string): string | undefined {
  return Object.keys(spec).find(
    (name) => spec[name]?.type === 'family' && key.startsWith(name) && key !== name,
  )
}

/** Keeps the literal types of a spec, so that `ConfigOf` can infer from it. */
export function defineConfig<const Spec extends ConfigSpec>(spec: Spec): Spec {
  return spec
}
