import { defineProjection, tables } from '@fairlead/projection'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { AccountEvents, accountId, deposited } from './testing/accounts.test-fixture.ts'
import { OneTopicFixture, TOPIC, until } from './testing/one-topic.test-fixture.ts'
import { type Recorded, forgetSpans, recordSpans } from './testing/recorded-spans.test-fixture.ts'

let fixture: OneTopicFixture
let recorded: readonly Recorded[]

beforeEach(async () => {
  recorded = recordSpans()
  fixture = await OneTopicFixture.open()
})

afterEach(async () => {
  await fixture.close()
  forgetSpans()
})

const TRACEPARENT = `00-${'4'.repeat(32)}-${'5'.repeat(16)}-01`
const t = tables<{ counted: { id: string; n: number } }>()

const counted = (version: number) =>
  defineProjection({
    name: 'counted',
    version,
    from: AccountEvents,
    into: t('counted', 'id', { id: 'uuid', n: 'integer' }),
  }).fold({
    initial: (id) => ({ id, n: 0 }),
    on: { Deposited: (row) => ({ ...row, n: row.n + 1 }) },
  })

const ended = (name: string) => recorded.filter((span) => span.name === name && span.isEnded)

test('what is told to the group is a span beside those of fetches and transactions', async () => {
  fixture.log.append(0, deposited(accountId(0), 1))
  fixture.start([counted(1)])
  await until(() =>
    // Where the partition was begun may be told before its first batch.
    expect(ended(`commit ${TOPIC}`).at(-1)).toMatchObject({
      parent: undefined,
      attributes: {
        'messaging.operation.type': 'settle',
        'messaging.consumer.group.name': 'test-counted-v1',
        'messaging.destination.partition.id': '0',
        'messaging.kafka.offset': 1,
      },
    }),
  )
  expect(ended(`poll ${TOPIC}`)).toHaveLength(1)
  expect(ended(`process ${TOPIC}`)).toHaveLength(1)
})

test('a rebuild is a trace of its own, with a span for each of its phases', async () => {
  fixture.log.append(0, deposited(accountId(0), 1, [['traceparent', Buffer.from(TRACEPARENT)]]))
  fixture.start([counted(1), counted(2)])
  await until(() => expect(ended('rebuild counted')).not.toEqual([]))
  const [rebuild] = ended('rebuild counted')
  expect(rebuild).toMatchObject({
    parent: undefined,
    status: undefined,
    links: [],
    attributes: { 'projection.name': 'counted', 'projection.version': 2 },
  })
  const phases = recorded.filter(({ parent }) => parent?.spanId === rebuild?.spanId)
  expect(phases.map(({ name, isEnded }) => [name, isEnded])).toEqual(
    ['preparing', 'loading', 'copying', 'indexing'].map((phase) => [phase, true]),
  )
})

test('a rebuild that fails says of which class its error is, and not what', async () => {
  const { log } = fixture
  log.append(0, deposited(accountId(0), 1))
  fixture.start([counted(1)])
  await until(async () => expect(await fixture.nextOffset()).toBe(1))
  log.logStartOffset = 1
  fixture.start([counted(1), counted(2)])
  await until(() => expect(ended('rebuild counted')).not.toEqual([]))
  expect(ended('rebuild counted')).toMatchObject([
    { attributes: { 'error.type': 'RebuildFailed' }, status: { message: 'RebuildFailed' } },
  ])
  expect(recorded.filter(({ name }) => name === 'preparing')).toMatchObject([{ isEnded: true }])
})
