import { spawnSync } from 'node:child_process'
import { rmSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { copySources, edited } from './copy-sources.ts'
import { MUTANTS, type Mutant } from './mutants.ts'

const USAGE = `Usage: npm run mutants -- [--only TEXT]

Takes one safety check after the other out of a copy of the sources and runs the tests that should
notice. A mutant that survives is a check that nothing watches.

  --only TEXT   mutants whose invariant, file or rule contains TEXT (such as L7, or recovery)
  --help        this text

Exit codes: 0 every mutant was noticed, 1 some survived, 2 wrong arguments or tests that fail as they are.`

/** One run of tests takes seconds, on a busy machine minutes: a mutant that makes them hang is noticed. */
const TIMEOUT_MS = 900_000

type Outcome = 'killed' | 'hung' | 'survived'

function main(): number {
  const chosen = chooseMutants()
  if (chosen === undefined) return process.exitCode === 2 ? 2 : 0
  const root = copySources()
  try {
    const areas = [...new Set(chosen.flatMap(({ tests }) => tests))]
    const outcome = outcomeOf(root, areas)
    if (outcome === 'survived') return score(root, chosen)
    console.error(`without any mutant the tests are ${outcome}`)
    return 2
  } finally {
    rmSync(root, { recursive: true, force: true })
  }
}

function score(root: string, mutants: readonly Mutant[]): number {
  const survivors = mutants.filter((mutant) => {
    const outcome = judge(root, mutant)
    console.log(`${outcome.padEnd(8)}  ${mutant.invariant.padEnd(4)}  ${mutant.rule}`)
    return outcome === 'survived'
  })
  console.log(`\n${mutants.length - survivors.length} of ${mutants.length} mutants were noticed`)
  for (const { invariant, file, rule } of survivors) {
    console.log(`survived: ${invariant} ${file}: ${rule}`)
  }
  return survivors.length === 0 ? 0 : 1
}

function judge(root: string, mutant: Mutant): Outcome {
  const restore = edited(root, mutant)
  try {
    return outcomeOf(root, mutant.tests)
  } finally {
    restore()
  }
}

function outcomeOf(root: string, tests: readonly string[]): Outcome {
  const vitest = ['node_modules/vitest/vitest.mjs', 'run', '--project', 'unit', '--bail', '1']
  const { status } = spawnSync(process.execPath, [...vitest, ...tests], {
    cwd: root,
    stdio: 'ignore',
    timeout: TIMEOUT_MS,
  })
  if (status === null) return 'hung'
  return status === 0 ? 'survived' : 'killed'
}

function chooseMutants(): readonly Mutant[] | undefined {
  try {
    const { values } = parseArgs({
      options: { only: { type: 'string', default: '' }, help: { type: 'boolean', default: false } },
    })
    if (values.help) {
      console.log(USAGE)
      return undefined
    }
    const { only } = values
    const chosen = MUTANTS.filter(
      ({ invariant, file, rule }) =>
        invariant === only || file.includes(only) || rule.includes(only),
    )
    if (chosen.length > 0) return chosen
    throw new RangeError(`--only ${only}: no mutant is like that`)
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : String(error)}\n\n${USAGE}`)
    process.exitCode = 2
    return undefined
  }
}

process.exitCode = main()
