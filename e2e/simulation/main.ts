import { parseArgs } from 'node:util'
import type { TracedEvent } from '@fairlead/simulation'
import { type SeedResult, runSeed } from './run-seed.ts'
import { SCENARIOS } from './scenarios.ts'

const USAGE = `Usage: npm run sim -- [--seed N] [--minutes M] [--seeds COUNT] [--scenario NAME] [--canary] [--trace]

Runs the log and the broker's cores in a simulated world. Whatever happens follows from the seed.

  --seed N         the first seed, 0 to 2^53 - 1 (default: taken from the clock, and printed)
  --minutes M      go on with the next seeds for so long (default: the one seed alone)
  --seeds COUNT    go on with the next seeds for so many
  --scenario NAME  ${Object.keys(SCENARIOS).join(', ')} (default: each of them, for every seed)
  --canary         seed a bug that must be found: the exit code says whether it was
  --trace          print everything that happens, to follow one seed
  --help           this text

Exit codes: 0 nothing found, 1 a finding (its replay command is printed), 2 wrong arguments.`

type Arguments = {
  readonly seed: number
  readonly seedCount: number
  readonly deadlineMs: number
  readonly scenarios: readonly string[]
  readonly hasCanary: boolean
  readonly isTraced: boolean
}

const SEED_MAX = Number.MAX_SAFE_INTEGER

function main(): void {
  const given = readArguments()
  if (given === undefined) return
  const startMs = performance.now()
  let eventCount = 0
  let runCount = 0
  let seed = given.seed
  console.log(`seed ${seed}`)
  for (let count = 0; count < given.seedCount && isInTime(given, count); count += 1) {
    for (const scenario of given.scenarios) {
      const result = runSeed({
        scenario,
        seed,
        hasCanary: given.hasCanary,
        ...(given.isTraced ? { observe: (event) => console.log(line(event)) } : {}),
      })
      eventCount += result.eventCount
      runCount += 1
      if (given.seedCount === 1) console.log(summary(result))
      if (result.finding !== undefined) {
        report(result, given.hasCanary)
        process.exitCode = 1
        return
      }
    }
    seed = (seed + 1) % SEED_MAX
  }
  const seconds = (performance.now() - startMs) / 1000
  const rate = Math.round(eventCount / seconds)
  console.log(`${runCount} runs, ${eventCount} events, ${rate} events/s, nothing found`)
}

function isInTime({ deadlineMs }: Arguments, count: number): boolean {
  return count === 0 || performance.now() < deadlineMs
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
        seeds: { type: 'string' },
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
    const seedCount = numberOf('seeds', values.seeds)
    return {
      seed: integerOf('seed', values.seed) ?? Date.now() % 2 ** 32,
      seedCount: seedCount ?? (minutes === undefined ? 1 : Number.POSITIVE_INFINITY),
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
