import type { Projection } from '@fairlead/projection'
import { depositSet } from './accounts.ts'

/** The version that is rebuilt beside the one that the benchmark has made live. */
export const projections: readonly Projection[] = [
  { ...depositSet(process.env['BENCH_SET'] ?? 'none').fold, version: 2 },
]
