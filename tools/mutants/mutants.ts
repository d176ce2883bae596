import { COMPACTION_MUTANTS } from './compaction-mutants.ts'
import { LOG_MUTANTS } from './log-mutants.ts'
import { RECOVERY_MUTANTS } from './recovery-mutants.ts'

/** One safety check taken out of the sources, and the tests that have to notice. */
export type Mutant = {
  /** Which invariant it breaks: an id of `docs/invariants.md`. */
  readonly invariant: string
  /** What the sources do, and this mutant does not. */
  readonly rule: string
  readonly file: string
  /** Stands in the file exactly once. */
  readonly before: string
  readonly after: string
  /** Filters of test files, as vitest takes them. */
  readonly tests: readonly string[]
}

export const MUTANTS: readonly Mutant[] = [
  ...LOG_MUTANTS,
  ...RECOVERY_MUTANTS,
  ...COMPACTION_MUTANTS,
]
