import { readFile, rename } from 'node:fs/promises'
import { join } from 'node:path'
import { cached } from '../../support/cache.ts'
import { attempt, isInstalled, run } from '../../support/command.ts'
import type { Suite, SuiteOutcome, SuiteResult } from './suite.ts'

const VERSION = '3.0.12'
const FOLDER = `kafka_python-${VERSION}`
const BUILD_TIMEOUT_MS = 600_000
const RUN_TIMEOUT_MS = 900_000
/** What the tests take for the broker's version; they ask it for nothing that came later. */
const KAFKA_VERSION = '4.2.0'
const PYTHON_PACKAGES = [
  `kafka-python[lz4,snappy,zstd]==${VERSION}`,
  'pytest==8.4.2',
  'pytest-mock==3.15.1',
  'pytest-timeout==2.4.0',
]

/** The integration tests of kafka-python, from its source package. */
export const KAFKA_PYTHON: Suite = {
  name: 'kafka-python',
  version: VERSION,
  absence: () => (isInstalled('python3') ? undefined : 'no python3 in the path'),
  config: { 'num.partitions': 4, 'group.min.session.timeout.ms': 1_000 },
  run: async (address, filter) => {
    const source = await cached('kafka-python-tests', PYTHON_PACKAGES.join(), fetchSource)
    const report = join(source, 'report.xml')
    const flags = ['-p', 'no:cacheprovider', '--timeout=120', `--junitxml=${report}`]
    const selection = filter === '.' ? [] : ['-k', filter]
    const { output } = await attempt(
      join(source, 'venv/bin/python'),
      ['-m', 'pytest', ...flags, ...selection, 'test/integration'],
      {
        cwd: join(source, FOLDER),
        env: { KAFKA_URI: `kafka://${address}`, KAFKA_VERSION },
        timeoutMs: RUN_TIMEOUT_MS,
      },
    )
    const results = resultsOf(await readFile(report, 'utf8'))
    if (results.size === 0) throw new Error(`pytest told no result: ${output}`)
    return results
  },
}

async function fetchSource(target: string): Promise<void> {
  const python = join(target, 'venv/bin/python')
  const options = { cwd: target, timeoutMs: BUILD_TIMEOUT_MS }
  await run('python3', ['-m', 'venv', '--copies', 'venv'], options)
  const pip = ['-m', 'pip', '--quiet', '--disable-pip-version-check']
  await run(python, [...pip, 'install', ...PYTHON_PACKAGES], options)
  const download = ['download', '--no-deps', '--no-binary', ':all:', `kafka-python==${VERSION}`]
  await run(python, [...pip, ...download], options)
  await run('tar', ['-xzf', `${FOLDER}.tar.gz`], options)
  // The tests must meet the installed client, whose compiled parts the source lacks.
  await rename(join(target, FOLDER, 'kafka'), join(target, FOLDER, 'kafka-source'))
}

/** Results of a JUnit report; a test is named after its file and function. */
function resultsOf(report: string): Map<string, SuiteResult> {
  const cases = report.matchAll(
    /<testcase classname="([^"]+)" name="([^"]+)"[^>]*?(?:\/>|>(.*?)<\/testcase>)/gs,
  )
  return new Map(
    [...cases].map(([, file = '', name = '', said = '']) => [
      `${file.split('.').at(-1)}::${name}`,
      { outcome: outcomeOf(said), output: said },
    ]),
  )
}

function outcomeOf(said: string): SuiteOutcome {
  if (/<(failure|error)\b/.test(said)) return 'failed'
  return said.includes('<skipped') ? 'skipped' : 'passed'
}
