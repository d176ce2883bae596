import { chmod, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { apacheKafkaAbsence, apacheKafkaScripts } from '../../support/apache-kafka.ts'
import { BrokerProcess } from '../../support/broker-process.ts'
import { cached } from '../../support/cache.ts'
import { attempt, isInstalled, run } from '../../support/command.ts'
import type { Suite, SuiteOutcome, SuiteResult } from './suite.ts'

const VERSION = '2.0.2'
const BUILD_TIMEOUT_MS = 900_000
/** The six variations of one part of 0113 take more than five minutes. */
const TEST_TIMEOUT_MS = 600_000
/** Packages that it is built with; without rapidjson and zstd it skips tests of its own. */
const PACKAGES = 'gcc g++ make libssl-dev zlib1g-dev libzstd-dev rapidjson-dev dpkg-dev'
/** No local tests, which need no broker; `-K` leaves known issues out. */
const RUNNER_FLAGS = ['-p1', '-L']
const SCRIPTS = {
  'kafka-topics.sh': 'org.apache.kafka.tools.TopicCommand',
  'kafka-configs.sh': 'kafka.admin.ConfigCommand',
} as const

/** What its tests assume that need another broker: topics are made by themselves alone. */
const STRICT_CONFIG = {
  'auto.create.topics.enable': 'false',
  // Kafka's default: members that come together are in one generation.
  'group.initial.rebalance.delay.ms': 3_000,
}

/** One run of the test runner. */
type Run = {
  readonly number: string
  /** What the result is called; the runner's own names when left out. */
  readonly resultName?: string
  /** Only sub-tests whose name contains it. */
  readonly subTest?: string
  readonly isStrict?: boolean
  readonly flags?: readonly string[]
  /** Of Kafka, for tests that ask of an older one less. */
  readonly kafkaVersion?: string
}

/** Sub-tests, where the whole holds others that cannot pass; each has a row of its own. */
const PARTS: Readonly<Record<string, readonly string[]>> = {
  '0061_consumer_lag': ['without transactions'],
  '0081_admin': [
    'unclean_destroy',
    'CreateTopics',
    'DeleteTopics',
    'CreatePartitions',
    'DescribeConfigs',
    'DeleteRecords',
    'ListConsumerGroups',
    'DescribeConsumerGroups',
    'DeleteGroups',
    'DeleteConsumerGroupOffsets',
    'AlterConsumerGroupOffsets',
    'ListConsumerGroupOffsets',
  ],
  '0113_cooperative_rebalance': [
    'a_assign_tests',
    'b_subscribe_with_cb_test',
    'c_subscribe_no_cb_test',
    'd_change_subscription_add_topic',
    'e_change_subscription_remove_topic',
    'f_assign_call_cooperative',
    'g_incremental_assign_call_eager',
    'k_add_partition',
    'm_unsubscribe_2',
    's_subscribe_when_rebalancing',
    't_max_poll_interval_exceeded',
    'u_multiple_subscription_changes',
    'v_commit_during_rebalance',
    'x_incremental_rebalances',
  ],
}

/** Runs that are not one test as it is, on the broker as it is. */
const SPECIAL_RUNS: readonly Run[] = [
  {
    number: '0045',
    resultName: '0045_subscribe_update_non_exist_and_partchange',
    subTest: 'do_test_non_exist_and_partchange',
    isStrict: true,
    flags: ['-s', 'noautocreate'],
  },
  // Known to fail on macOS.
  { number: '0047', resultName: '0047_partial_buf_tmout', flags: ['-k'] },
  // Its members are to be in one generation from the first on.
  { number: '0102', resultName: '0102_static_group_rebalance', isStrict: true },
  {
    number: '0109',
    resultName: '0109_auto_create_topics/without ACLs',
    kafkaVersion: '2.0.0',
  },
  {
    number: '0113',
    resultName: '0113_cooperative_rebalance/l_unsubscribe',
    subTest: 'l_unsubscribe',
    isStrict: true,
  },
  ...Object.entries(PARTS).flatMap(([test, parts]) =>
    parts.map((subTest) => ({
      number: test.slice(0, 4),
      resultName: `${test}/${subTest}`,
      subTest,
    })),
  ),
]

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
  const strict = await BrokerProcess.start({ ...LIBRDKAFKA.config, ...STRICT_CONFIG })
  try {
    const numbers = await testNumbers(folder, filter)
    const special = SPECIAL_RUNS.filter(({ resultName }) => filter.test(resultName ?? ''))
    const results = new Map<string, SuiteResult>()
    for (const run of [...numbers.map((number): Run => ({ number })), ...special]) {
      const env = await environment(temporary, run.isStrict ? strict.address : address)
      for (const [name, result] of await resultsOfRun(run, folder, env)) results.set(name, result)
    }
    return results
  } finally {
    await strict.stop()
    await rm(temporary, { recursive: true })
  }
}

async function resultsOfRun(
  run: Run,
  folder: string,
  env: Readonly<Record<string, string>>,
): Promise<(readonly [string, SuiteResult])[]> {
  const { number, resultName, subTest, kafkaVersion } = run
  const wanted = {
    TESTS: number,
    ...(subTest === undefined ? {} : { SUBTESTS: subTest }),
    ...(kafkaVersion === undefined ? {} : { TEST_KAFKA_VERSION: kafkaVersion }),
  }
  const options = { cwd: folder, env: { ...env, ...wanted }, timeoutMs: TEST_TIMEOUT_MS }
  const flags = [...RUNNER_FLAGS, ...(run.flags ?? ['-K'])]
  const { output, complaints } = await attempt('./test-runner', flags, options)
  const text = output + complaints
  const results = resultsOf(number, text)
  if (resultName === undefined) return results
  const result = results.find(([name]) => name === resultName.split('/')[0])?.[1]
  // A filter that fits nothing passes.
  const hasRun = subTest === undefined || new RegExp(`\\[ [^\\]]*${subTest}`).test(text)
  if (result !== undefined && hasRun) return [[resultName, result]]
  return [[resultName, { outcome: 'failed', output: `it was not run\n${text}` }]]
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
  await mkdir(join(temporary, 'bin'), { recursive: true })
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
