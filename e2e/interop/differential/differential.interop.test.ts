import { writeFile } from 'node:fs/promises'
import { APIS, type ApiName } from '@fairlead/protocol'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ApacheKafka, apacheKafkaAbsence } from '../../support/apache-kafka.ts'
import { BrokerProcess } from '../../support/broker-process.ts'
import { ALLOWED, type AllowedDifference, allowedBy } from './allowed.ts'
import { CASES, type Case } from './cases.ts'
import { type Answer, ComparedBroker } from './compared-broker.ts'
import { differencesBetween } from './differences.ts'

/** APIs whose requests change the topic that they name: each version gets one of its own. */
const CHANGING: readonly ApiName[] = [
  'Produce',
  'OffsetCommit',
  'DeleteTopics',
  'DeleteRecords',
  'AlterConfigs',
  'IncrementalAlterConfigs',
  'CreatePartitions',
]
/** Where Apache Kafka's answers go: `libs/protocol/testdata/apache-kafka-4.4.0.json` was made so. */
const GOLDEN_FILE = process.env['INTEROP_GOLDEN']
/** Holds a folder of the machine. */
const NOT_GOLDEN: readonly ApiName[] = ['DescribeLogDirs']
const NAMES = Object.keys(CASES) as ApiName[]

let kafka: ComparedBroker
let ours: ComparedBroker
const occurred = new Set<AllowedDifference>()

describe.skipIf(apacheKafkaAbsence())('our broker answers as Apache Kafka does', () => {
  beforeAll(async () => {
    const config = { 'auto.create.topics.enable': 'false', 'offsets.topic.num.partitions': 1 }
    kafka = new ComparedBroker(await ApacheKafka.start(config))
    ours = new ComparedBroker(await BrokerProcess.start(config))
    await Promise.all([kafka.warmUp(), ours.warmUp()])
  })
  afterAll(async () => {
    if (GOLDEN_FILE !== undefined) await writeFile(GOLDEN_FILE, goldenText(kafka))
    await kafka.stop()
    await ours.stop()
  })

  test('the versions that both advertise are the same', async () => {
    const [theirs, own] = [await kafka.versions(), await ours.versions()]
    const shared = [...own].filter(([key]) => theirs.has(key))
    expect(shared).toEqual(shared.map(([key]) => [key, theirs.get(key)]))
  })

  describe.for(NAMES)('%s', (api) => {
    const { firstVersion, lastVersion } = APIS[api]
    const versions = Array.from(
      { length: lastVersion - firstVersion + 1 },
      (_, index) => firstVersion + index,
    )
    test.for(versions)('version %i', async (version, { skip }) => {
      const range = (await kafka.versions()).get(APIS[api].key)
      skip(range === undefined || version > range[1], 'Apache Kafka does not have it')
      const found: string[] = []
      for (const each of CASES[api] ?? []) found.push(...(await compare(api, version, each)))
      expect(found).toEqual([])
    })
  })

  test('every allowed difference occurs', () => {
    const stale = ALLOWED.filter((allowed) => !occurred.has(allowed))
    expect(stale.map(({ api, what, path }) => `${api}, ${what}: ${path.source}`)).toEqual([])
  })
})

/** The differences that are not allowed, each as a line. */
async function compare(api: ApiName, version: number, each: Case): Promise<string[]> {
  const { from = 0, to = Number.POSITIVE_INFINITY } = each.versions ?? {}
  if (version < from || version > to) return []
  const topic = CHANGING.includes(api) ? `${api}-${version}` : api
  const answers = [
    await kafka.answer(api, version, each, topic),
    await ours.answer(api, version, each, topic),
  ] as const
  return differencesBetween(...(answers.map(bodyOf) as [unknown, unknown])).flatMap(
    (difference) => {
      const allowed = allowedBy(api, each.what, difference)
      if (allowed === undefined) return [`${each.what}: ${JSON.stringify(difference)}`]
      occurred.add(allowed)
      return []
    },
  )
}

const bodyOf = (answer: Answer): unknown => (typeof answer === 'string' ? answer : answer.body)

/** One answer of each API and version. */
function goldenText({ frames }: ComparedBroker): string {
  const kept = frames.filter(
    ({ api, version }, index) =>
      !NOT_GOLDEN.includes(api) &&
      frames.findIndex((each) => each.api === api && each.version === version) === index,
  )
  return `[\n${kept.map((frame) => JSON.stringify(frame)).join(',\n')}\n]\n`
}
