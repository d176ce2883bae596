import { parseArgs } from 'node:util'
import type { TracedEvent } from '@fairlead/simulation'
import { type SeedResult, runSeed } from './run-seed.ts'
import { SCENARIOS } from './scenarios.ts'

const USAGE = `Usage: npm run sim -- [--seed N] [--minutes M] [--operations N] [--scenario NAME] [--canary] [--trace]

Runs the log and the broker's cores in a simulated world. Whatever happens follows from the seed.

  --seed N         the first seed, 0 to 2^53 - 1 (default: taken from the clock, and printed)
  --minutes M      go on with the next seeds for so long (default: the one seed alone)
  --operations N   go on with the next seeds for so many operations
  --scenario NAME  ${Object.keys(SCENARIOS).join(', ')} (default: each of them, for every seed)
  --canary         seed a bug that must be found: exit code 1 is right
  --trace          print everything that happens, to follow one seed
  --help           this text

Exit codes: 0 nothing found, 1 a finding (its replay command is printed), 2 wrong arguments.`

type Arguments = {
  readonly seed: number
  readonly operationsMin: number
  readonly deadlineMs: number
  readonly scenarios: readonly string[]
  readonly hasCanary: boolean
  readonly isTraced: boolean
}

const SEED_MAX = Number.MAX_SAFE_INTEGER

type Totals = { runs: number; events: number; operations: number }

function main(): void {
  const given = readArguments()
  if (given === undefined) return
  const startMs = performance.now()
  const totals: Totals = { runs: 0, events: 0, operations: 0 }
  console.log(`seed ${given.seed}`)
  for (let seed = given.seed; mayGoOn(given, totals); seed = (seed + 1) % SEED_MAX) {
    if (!runScenarios(given, seed, totals)) {
      process.exitCode = 1
      return
    }
  }
  const { runs, events, operations } = totals
  const rate = Math.round(events / ((performance.now() - startMs) / 1000))
  const counts = `${runs} runs, ${operations} operations, ${events} events, ${rate} events/s`
  console.log(`${counts}: nothing found`)
}

/** False after a finding. */
function runScenarios(given: Arguments, seed: number, totals: Totals): boolean {
  const { hasCanary, isTraced, scenarios } = given
  for (const scenario of scenarios) {
    const observe = (event: TracedEvent): void => console.log(line(event))
    const result = runSeed({ scenario, seed, hasCanary, ...(isTraced ? { observe } : {}) })
    totals.runs += 1
    totals.events += result.eventCount
    totals.operations += result.report?.operations ?? 0
    if (result.finding !== undefined) {
      report(result, hasCanary)
      return false
    }
    if (given.operationsMin === 1) console.log(summary(result))
  }
  return true
}

function mayGoOn({ operationsMin, deadlineMs }: Arguments, totals: Totals): boolean {
  if (totals.runs === 0) return true
  return totals.operations < operationsMin && performance.now() < deadlineMs
}

function summary({ scenario, eventCount, digest, report }: SeedResult): string {
  const counts = Object.entries(report ?? {}).map(([name, count]) => `${name} ${count}`)
  return `${scenario}: ${eventCount} events, trace ${digest}, ${counts.join(', ')}`
}

function line({ timeMs, label }: TracedEvent): string {
  return `${timeMs.toFixed(3).padStart(12)} ms  ${label}`
}

function report(result: SeedResult, hasCanary: boolean): void {
  const { scenario, seed, finding } = result
  console.error(`\n${scenario}: seed ${seed} found something:`)
  console.error(finding)
  console.error('\nThe last events:')
  for (const { timeMs, label } of result.recent)
    console.error(`  ${timeMs.toFixed(3)} ms  ${label}`)
  const flags = hasCanary ? ' --canary' : ''
  console.error(`\nReplay: npm run sim -- --scenario ${scenario} --seed ${seed}${flags}`)
}

/** Undefined when there is nothing to run: the help was asked for, or an argument is wrong. */
function readArguments(): Arguments | undefined {
  try {
    const { values } = parseArgs({
      options: {
        seed: { type: 'string' },
        operations: { type: 'string' },
        minutes: { type: 'string' },
        scenario: { type: 'string' },
        trace: { type: 'boolean', default: false },
        canary: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    })
    if (values.help) {
      console.log(USAGE)
      return undefined
    }
    const minutes = numberOf('minutes', values.minutes)
    const operations = numberOf('operations', values.operations)
    return {
      seed: integerOf('seed', values.seed) ?? Date.now() % 2 ** 32,
      operationsMin: operations ?? (minutes === undefined ? 1 : Number.POSITIVE_INFINITY),
      deadlineMs:
        minutes === undefined ? Number.POSITIVE_INFINITY : performance.now() + minutes * 60_000,
      scenarios: scenariosOf(values.scenario),
      hasCanary: values.canary,
      isTraced: values.trace,
    }
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : String(error)}\n\n${USAGE}`)
    process.exitCode = 2
    return undefined
  }
}

function numberOf(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const value = Number(text)
  if (text.trim() === '' || !(value > 0)) throw new RangeError(`--${name} ${text}: not above 0`)
  return value
}

function integerOf(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const value = Number(text)
  if (/^\d+$/.test(text) && Number.isSafeInteger(value)) return value
  throw new RangeError(`--${name} ${text}: not an integer from 0 to ${SEED_MAX}`)
}

function scenariosOf(name: string | undefined): readonly string[] {
  const known = Object.keys(SCENARIOS)
  if (name === undefined) return known
  if (known.includes(name)) return [name]
  throw new RangeError(`--scenario ${name}: there are ${known.join(', ')}`)
}

main()
