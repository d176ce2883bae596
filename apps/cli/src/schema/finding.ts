import type { JsonObject } from '../output/output.ts'

/** One thing that a check found in a file. */
export type Finding = JsonObject & {
  readonly file: string
  readonly subject: string
  readonly severity: 'error' | 'warning'
  readonly rule: string
  readonly message: string
  readonly line: number
  readonly column: number
  /** Of an incompatibility: the level, the version, who cannot read, and how to mend it. */
  readonly level?: string
  readonly version?: number
  readonly reader?: 'new' | 'old'
}
