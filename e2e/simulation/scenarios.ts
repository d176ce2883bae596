import type { Kernel } from '@fairlead/simulation'
import { BrokerRun } from './broker/broker-run.ts'
import { CompactionRun } from './compaction/compaction-run.ts'
import { LogRun } from './log/log-run.ts'

export type ScenarioReport = Readonly<Record<string, number>> & { readonly operations: number }

/** What a seed can be about. Sizes are those of a seed that takes about a second. */
export const SCENARIOS: Readonly<
  Record<string, (kernel: Kernel, options: { readonly hasCanary: boolean }) => ScenarioReport>
> = {
  broker: (kernel, options) => new BrokerRun({ ...options, kernel, durationMs: 5000 }).run(),
  compaction: (kernel, options) =>
    new CompactionRun({ ...options, kernel, operationCount: 1500 }).run(),
  log: (kernel, options) => new LogRun({ ...options, kernel, operationCount: 3000 }).run(),
}
