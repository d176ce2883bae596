import type { Fields } from '../schema/field.ts'

/** One API of the protocol. Version ranges are inclusive. */
export type ApiDefinition = {
  readonly key: number
  /** Versions that the codecs know. */
  readonly versions: readonly [first: number, last: number]
  /** Versions that ApiVersions names, where they differ. */
  readonly advertised?: readonly [first: number, last: number]
  /** First version with compact lengths and tagged fields (KIP-482). */
  readonly flexible: number
  readonly request: Fields
  readonly response: Fields
}
