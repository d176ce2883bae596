import { spawn } from 'node:child_process'
import { globSync } from 'node:fs'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { parseArgs } from 'node:util'
import { ROOT } from '../support/platform.ts'
import { CLIENTS } from './clients/all-clients.ts'
import { type TestReport, scenarioTable } from './scenario-table.ts'
import { SUITES } from './suites/all-suites.ts'

const FILE_SUFFIX = '.interop.test.ts'
const PARTS: readonly string[] = globSync(`e2e/**/*${FILE_SUFFIX}`, { cwd: ROOT })
  .map((path) => basename(path, FILE_SUFFIX))
  .sort()

const HELP = `npm run test:interop -- [options] [part…]

Runs the clients, suites and tools of other projects against the broker, and relay, registry and
projector against Apache Kafka. What is of others is fetched from package registries into
FAIRLEAD_CACHE_DIR, by default the user's cache. What a machine has no tool chain for is skipped, with
the reason.

Parts, by default all:
${PARTS.map((part) => `  ${part}\n`).join('')}
  --client NAME    only clients whose name or version contains NAME (more than once: any of them)
  --suite NAME     only suites whose name contains NAME
  --broker apache  the scenarios against Apache Kafka instead of our broker: a check of themselves
  --list           the clients and suites that this machine can and cannot run
  --help           this text

Exit status: 0 all passed, 1 something failed, 2 wrong usage.
`
const { values, positionals } = parsedArguments()
if (values.help === true) process.stdout.write(HELP)
else if (values.list === true) list()
else process.exitCode = await runTests()

function parsedArguments() {
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        client: { type: 'string', multiple: true },
        suite: { type: 'string', multiple: true },
        broker: { type: 'string' },
        list: { type: 'boolean' },
        help: { type: 'boolean' },
      },
    })
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n\n${HELP}`)
    process.exit(2)
  }
}

function list(): void {
  for (const { name, version, absence } of [...CLIENTS, ...SUITES]) {
    process.stdout.write(`${name} ${version}: ${absence() ?? 'can run'}\n`)
  }
}

async function runTests(): Promise<number> {
  const parts = selectedParts()
  const directory = await mkdtemp(join(tmpdir(), 'fairlead-interop-'))
  const reportFile = join(directory, 'report.json')
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${reportFile}`]
  const exitCode = await vitest(['run', '--project', 'interop', ...reporters, ...parts.map(fileOf)])
  const report = JSON.parse(await readFile(reportFile, 'utf8')) as TestReport
  process.stdout.write(`\n${scenarioTable(report)}\n`)
  await rm(directory, { recursive: true })
  return exitCode
}

function fileOf(part: string): string {
  return `/${part}${FILE_SUFFIX}`
}

/** A client alone means its scenarios, a suite alone that suite. */
function selectedParts(): readonly string[] {
  const unknown = positionals.filter((part) => !PARTS.includes(part))
  if (unknown.length > 0) {
    process.stderr.write(`no part "${unknown.join('", "')}": choose from ${PARTS.join(', ')}\n`)
    process.exit(2)
  }
  if (positionals.length > 0) return positionals
  const implied = [
    ...(values.client === undefined ? [] : ['client-scenarios']),
    ...(values.suite === undefined ? [] : ['suites']),
  ]
  return implied.length > 0 ? implied : PARTS
}

function vitest(args: readonly string[]): Promise<number> {
  const env = {
    ...process.env,
    INTEROP_CLIENT: values.client?.join(',') ?? '',
    INTEROP_SUITE: values.suite?.join(',') ?? '',
    INTEROP_BROKER: values.broker ?? '',
  }
  return new Promise((resolve, reject) => {
    const child = spawn('vitest', args, { cwd: ROOT, env, stdio: 'inherit' })
    child.once('error', reject)
    child.once('close', (code) => resolve(code === 0 ? 0 : 1))
  })
}
