import { chmod, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { apacheKafkaAbsence, apacheKafkaScripts } from '../../support/apache-kafka.ts'
import { cached } from '../../support/cache.ts'
import { attempt, isInstalled, run } from '../../support/command.ts'
import type { Suite, SuiteOutcome, SuiteResult } from './suite.ts'

const VERSION = '2.0.2'
const BUILD_TIMEOUT_MS = 900_000
const TEST_TIMEOUT_MS = 300_000
/** Packages that it is built with; without rapidjson and zstd it skips tests of its own. */
const PACKAGES = 'gcc g++ make libssl-dev zlib1g-dev libzstd-dev rapidjson-dev dpkg-dev'
/** No local tests, which need no broker, and no known issues. */
const RUNNER_FLAGS = ['-p1', '-L', '-K']
const SCRIPTS = {
  'kafka-topics.sh': 'org.apache.kafka.tools.TopicCommand',
  'kafka-configs.sh': 'kafka.admin.ConfigCommand',
} as const

/** librdkafka's own tests, from Debian's source package; one process a test, since a failure aborts. */
export const LIBRDKAFKA: Suite = {
  name: 'librdkafka',
  version: VERSION,
  absence: () => absentTools() ?? apacheKafkaAbsence(),
  config: { 'num.partitions': 4, 'group.min.session.timeout.ms': 1_000 },
  run: (address, filter) => runTests(address, new RegExp(filter)),
}

async function runTests(address: string, filter: RegExp): Promise<Map<string, SuiteResult>> {
  const folder = join(await cached('librdkafka', VERSION, build), `librdkafka-${VERSION}/tests`)
  const temporary = await mkdtemp(join(tmpdir(), 'fairlead-librdkafka-'))
  const env = await environment(temporary, address)
  const results = new Map<string, SuiteResult>()
  for (const number of await testNumbers(folder, filter)) {
    const options = { cwd: folder, env: { ...env, TESTS: number }, timeoutMs: TEST_TIMEOUT_MS }
    const { output, complaints } = await attempt('./test-runner', RUNNER_FLAGS, options)
    for (const [name, result] of resultsOf(number, output + complaints)) results.set(name, result)
  }
  await rm(temporary, { recursive: true })
  return results
}

function absentTools(): string | undefined {
  const absent = ['gcc', 'g++', 'make', 'apt-get', 'dpkg-source'].filter(
    (tool) => !isInstalled(tool),
  )
  if (absent.length === 0) return undefined
  return `no ${absent.join(', no ')} in the path: apt-get install ${PACKAGES}`
}

async function build(target: string): Promise<void> {
  const options = { cwd: target, timeoutMs: BUILD_TIMEOUT_MS }
  await fetchSource(target)
  const source = { ...options, cwd: join(target, `librdkafka-${VERSION}`) }
  await run('./configure', ['--disable-gssapi', '--disable-curl'], source)
  const jobs = `-j${availableParallelism()}`
  await run('make', [jobs, 'libs'], source)
  await run('make', [jobs, '-C', 'tests', 'build'], source)
}

/** By lists of its own, so that the machine's apt needs no source packages enabled. */
async function fetchSource(target: string): Promise<void> {
  const sources = await run('apt-get', ['indextargets', '--format', '$(REPO_URI) $(RELEASE)'])
  const uris = [...new Set(sources.split('\n'))].filter((line) => line.endsWith('bookworm'))
  const uri = uris.map((line) => line.split(' ')[0]).find((each) => each?.includes('debian'))
  if (uri === undefined) throw new Error('apt knows no archive of Debian bookworm')
  await writeFile(join(target, 'sources.list'), `deb-src ${uri} bookworm main\n`)
  for (const folder of ['lists/partial', 'archives/partial']) {
    await mkdir(join(target, 'apt', folder), { recursive: true })
  }
  const settings = [
    `Dir::Etc::SourceList=${target}/sources.list`,
    'Dir::Etc::SourceParts=/dev/null',
    `Dir::State::Lists=${target}/apt/lists`,
    `Dir::Cache=${target}/apt`,
    'APT::Sandbox::User=root',
  ].flatMap((setting) => ['-o', setting])
  const options = { cwd: target, timeoutMs: BUILD_TIMEOUT_MS }
  await run('apt-get', [...settings, 'update'], options)
  // Without Debian's patches, which need tools of its own: the code is what upstream released.
  await run('apt-get', [...settings, 'source', '--download-only', 'librdkafka'], options)
  const [archive] = (await readdir(target)).filter((name) => name.endsWith('.orig.tar.gz'))
  await run('tar', ['-xzf', archive ?? ''], options)
}

async function environment(temporary: string, address: string): Promise<Record<string, string>> {
  const config = join(temporary, 'test.conf')
  const settings = [
    `metadata.broker.list=${address}`,
    'test.topic.random=true',
    'test.timeout.multiplier=2',
  ]
  await writeFile(config, `${settings.join('\n')}\n`)
  await mkdir(join(temporary, 'bin'))
  for (const [name, script] of Object.entries(await apacheKafkaScripts(SCRIPTS))) {
    await writeFile(join(temporary, 'bin', name), script)
    await chmod(join(temporary, 'bin', name), 0o755)
  }
  return {
    RDKAFKA_TEST_CONF: config,
    TEST_KAFKA_VERSION: '3.9.0',
    CI: 'true',
    LD_LIBRARY_PATH: '../src:../src-cpp',
    KAFKA_PATH: temporary,
    BROKERS: address,
  }
}

async function testNumbers(folder: string, filter: RegExp): Promise<string[]> {
  // 1000 and above are no tests of behaviour: templates and an idle loop.
  const sources = (await readdir(folder)).filter((name) => /^0\d{3}.*\.(c|cpp)$/.test(name))
  const numbers = sources.filter((name) => filter.test(name)).map((name) => name.slice(0, 4))
  return [...new Set(numbers)].sort()
}

/** From the summary at the end; a test that failed has aborted before there was one. */
function resultsOf(number: string, output: string): (readonly [string, SuiteResult])[] {
  // oxlint-disable-next-line no-control-regex -- colours
  const text = output.replaceAll(/\u001B\[\d*m/g, '')
  const summary = [...text.matchAll(/^\| *(\d{4}_\w+) *\| *(PASSED|SKIPPED|FAILED) *\|/gm)]
  if (summary.length > 0) {
    return summary.map(([, name = '', outcome = '']) => [
      name,
      { outcome: outcome.toLowerCase() as SuiteOutcome, output: text },
    ])
  }
  const running = [...text.matchAll(/^\[(\d{4}_\w+)/gm)].at(-1)?.[1] ?? number
  return [[running, { outcome: 'failed', output: text }]]
}
