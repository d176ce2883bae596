import { Kernel, type TracedEvent } from '@fairlead/simulation'
import { SCENARIOS, type ScenarioReport } from './scenarios.ts'

export type SeedOptions = {
  readonly scenario: string
  readonly seed: number
  readonly hasCanary?: boolean
  readonly observe?: (event: TracedEvent) => void
}

export type SeedResult = {
  readonly seed: number
  readonly scenario: string
  readonly eventCount: number
  readonly digest: string
  readonly report: ScenarioReport | undefined
  /** What did not hold; undefined when everything did. */
  readonly finding: unknown
  readonly recent: readonly TracedEvent[]
}

/** Runs one seed of a scenario to its end or to its first finding. */
export function runSeed(options: SeedOptions): SeedResult {
  const { scenario, seed, hasCanary = false } = options
  const run = SCENARIOS[scenario]
  if (run === undefined) throw new RangeError(`there is no scenario ${scenario}`)
  const kernel = new Kernel(seed)
  if (options.observe !== undefined) kernel.observe = options.observe
  let report: ScenarioReport | undefined
  let finding: unknown
  try {
    report = run(kernel, { hasCanary })
  } catch (error) {
    finding = error
  }
  return {
    seed,
    scenario,
    eventCount: kernel.eventCount,
    digest: kernel.trace.digest,
    report,
    finding,
    recent: kernel.recent,
  }
}
