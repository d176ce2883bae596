import { parseArgs } from 'node:util'
import { errorMessage } from '@fairlead/base'

export type BenchOptions = {
  /** Benchmarks to run, all when empty. */
  readonly wanted: readonly string[]
  readonly isHelp: boolean
  /** Less work: for a look in between, not for figures to quote. */
  readonly isQuick: boolean
  /** The sections to run; all when empty. */
  readonly only: readonly string[]
  /** Of the loads of a section, those with one of these in their names; all when empty. */
  readonly match: readonly string[]
  readonly rounds: number
  /** Events of each set; undefined for the usual number. */
  readonly events: number | undefined
}

/** Names of sections by the name of their benchmark. */
export type SectionNames = Readonly<Record<string, readonly string[]>>

/** The command line is wrong; the message says what to give instead. */
export class BenchUsageError extends Error {
  override readonly name = 'BenchUsageError'
}

const ROUNDS_DEFAULT = '3'

/** @throws {BenchUsageError} */
export function parseBenchOptions(argv: readonly string[], sections: SectionNames): BenchOptions {
  const { positionals: wanted, values } = parse(argv)
  const names = Object.keys(sections)
  for (const name of wanted) {
    if (!names.includes(name)) {
      throw new BenchUsageError(`no benchmark "${name}": choose from ${names.join(', ')}`)
    }
  }
  const running = wanted.length > 0 ? wanted : names
  for (const section of values.only) {
    const missing = running.find((name) => sections[name]?.includes(section) !== true)
    if (missing !== undefined) {
      throw new BenchUsageError(noSection(section, running, sections[missing] ?? []))
    }
  }
  return {
    wanted,
    isHelp: values.help,
    isQuick: values.quick,
    only: values.only,
    match: values.match,
    rounds: countOf('rounds', values.rounds),
    events: values.events === undefined ? undefined : countOf('events', values.events),
  }
}

export function benchUsage(sections: SectionNames): string {
  const width = Math.max(...Object.keys(sections).map((name) => name.length))
  const lines = Object.entries(sections).map(([name, names]) =>
    `  ${name.padEnd(width)}  ${names.join(', ')}`.trimEnd(),
  )
  return `Usage: npm run bench -- [benchmark]... [options]

Measures each part as a ratio to a baseline in the same run; all benchmarks when none is named.
docs/benchmarks.md says what is measured against what.

Benchmarks and their sections:
${lines.join('\n')}

Options:
  --only <section>   Of one benchmark, this section alone; repeatable
  --match <text>     broker: loads with this text in their names; repeatable
  --rounds <n>       How often each is measured (default: ${ROUNDS_DEFAULT}); broker, relay, projection
  --events <n>       projection: events of each set (default: 1000000)
  --quick            broker: a quarter of the work; projection: a tenth of the events
  --help             Print this text
`
}

function noSection(section: string, running: readonly string[], known: readonly string[]): string {
  if (running.length > 1) {
    return `--only ${section}: name the one benchmark that has this section (--help lists them)`
  }
  const choice = known.length === 0 ? 'it has none' : `choose from ${known.join(', ')}`
  return `--only ${section}: ${running.join()} has no such section; ${choice}`
}

function countOf(name: string, text: string): number {
  const count = Number(text)
  if (Number.isSafeInteger(count) && count >= 1) return count
  throw new BenchUsageError(`--${name} ${text}: give a whole number from 1 on`)
}

function parse(argv: readonly string[]) {
  try {
    return parseArgs({
      args: [...argv],
      allowPositionals: true,
      options: {
        help: { type: 'boolean', default: false },
        quick: { type: 'boolean', default: false },
        only: { type: 'string', multiple: true, default: [] },
        match: { type: 'string', multiple: true, default: [] },
        rounds: { type: 'string', default: ROUNDS_DEFAULT },
        events: { type: 'string' },
      },
    })
  } catch (error) {
    throw new BenchUsageError(errorMessage(error), { cause: error })
  }
}
