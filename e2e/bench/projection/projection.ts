import { benchFaults } from './faults.ts'
import { benchLive } from './live.ts'
import { benchRebuild } from './rebuild.ts'
import { benchLookUps } from './look-ups.ts'
import { benchReads } from './reads.ts'
import { benchSqlHandlers } from './sql-handlers.ts'
import { ProjectionStack } from './stack.ts'
import type { BenchRow } from '../report.ts'
import { sectionsOf } from '../sections.ts'

export type ProjectionBenchOptions = {
  readonly isQuick: boolean
  readonly only: readonly string[]
  readonly rounds: number
  /** Events of each set; undefined for the usual number. */
  readonly events: number | undefined
}

const EVENTS_DEFAULT = 1_000_000
const EVENTS_QUICK = 100_000

type Section = (
  stack: ProjectionStack,
  options: { readonly eventCount: number; readonly rounds: number },
) => AsyncIterable<readonly BenchRow[]>

const SECTIONS: Readonly<Record<string, Section>> = {
  live: benchLive,
  sql: benchSqlHandlers,
  'look-ups': benchLookUps,
  rebuild: benchRebuild,
  faults: benchFaults,
  reads: benchReads,
}

/** Events of the log through projections into Postgres, `--only` a section of them. */
export async function* benchProjection(
  options: ProjectionBenchOptions,
): AsyncIterable<readonly BenchRow[]> {
  const { isQuick, only, rounds, events } = options
  const eventCount = events ?? (isQuick ? EVENTS_QUICK : EVENTS_DEFAULT)
  for (const section of sectionsOf(SECTIONS, only)) {
    await using stack = await ProjectionStack.start()
    yield* section(stack, { eventCount, rounds })
  }
}
