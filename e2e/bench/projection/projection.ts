import { benchFaults } from './faults.ts'
import { benchLive } from './live.ts'
import { benchRebuild } from './rebuild.ts'
import { benchLookUps } from './look-ups.ts'
import { benchReads } from './reads.ts'
import { benchSqlHandlers } from './sql-handlers.ts'
import { ProjectionStack } from './stack.ts'
import type { BenchOptions } from '../options.ts'
import type { BenchRow } from '../report.ts'
import { sectionsOf } from '../sections.ts'

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
export const PROJECTION_SECTIONS = Object.keys(SECTIONS)

/** Events of the log through projections into Postgres, `--only` a section of them. */
export async function* benchProjection(options: BenchOptions): AsyncIterable<readonly BenchRow[]> {
  const { isQuick, only, rounds, events } = options
  const eventCount = events ?? (isQuick ? EVENTS_QUICK : EVENTS_DEFAULT)
  for (const section of sectionsOf(SECTIONS, only)) {
    await using stack = await ProjectionStack.start()
    yield* section(stack, { eventCount, rounds })
  }
}
