import { type ApiName, type RequestBody, ZERO_UUID, crc32c, encodeBatch } from '@fairlead/protocol'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { TestClient } from '../../apps/broker/src/testing/test-client.ts'
import { APACHE_KAFKA_VERSION, ApacheKafka, apacheKafkaAbsence } from '../support/apache-kafka.ts'
import { BrokerProcess } from '../support/broker-process.ts'

/**
 * The same requests to Apache Kafka and to this broker, the answers compared field by field: group
 * APIs, idempotence, fetch sessions. Ids that a broker makes up are replaced by the order in which
 * they appear.
 */

const TOPIC = 'compared'
const WAIT_MS = 60_000

type Answer = { readonly step: string; readonly answer: unknown }

/** One broker, and what it answered in this conversation. */
class Side {
  readonly #client: TestClient
  readonly answers: Answer[] = []
  /** What a text that the broker made up is called, by the order of appearance. */
  readonly #names = new Map<unknown, string>()

  constructor(port: number) {
    this.#client = new TestClient(port)
  }

  close(): void {
    this.#client.close()
  }

  /** Asks, and writes down what is answered; a field that is named here is made up by the broker. */
  async ask<Name extends ApiName>(
    step: string,
    name: Name,
    version: number,
    body: RequestBody<Name>,
  ) {
    const answer = await this.#client.call(name, body, version)
    this.answers.push({ step: `${step} (${name} v${version})`, answer: this.#comparable(answer) })
    return answer
  }

  /** Asks again until the answer is final: a broker that has just started is not ready at once. */
  async settle<Name extends ApiName>(
    name: Name,
    version: number,
    body: RequestBody<Name>,
    isFinal: (text: string) => boolean,
  ): Promise<void> {
    const deadlineMs = performance.now() + WAIT_MS
    for (;;) {
      const text = JSON.stringify(await this.#client.call(name, body, version))
      if (isFinal(text)) return
      if (performance.now() > deadlineMs) throw new Error(`${name} is not ready: ${text}`)
    }
  }

  #comparable(value: unknown): unknown {
    if (value instanceof Uint8Array) return Buffer.from(value).toString('hex')
    if (Array.isArray(value)) return this.#comparableList(value)
    if (typeof value !== 'object' || value === null) return this.#names.get(value) ?? value
    const isFailed = 'errorCode' in value && value.errorCode !== 'NONE'
    return Object.fromEntries(
      Object.entries(value)
        .filter(([field]) => !INCOMPARABLE.has(field) && !(isFailed && LEFT_OPEN.has(field)))
        .map(([field, inner]) => [
          field,
          MADE_UP.has(field) ? this.#nameOf(inner) : this.#comparable(inner),
        ]),
    )
  }

  /** Lists by partition or group have no order; those of other conversations are left out. */
  #comparableList(values: readonly unknown[]): unknown {
    const texts = new Map(values.map((value) => [JSON.stringify(value), value]))
    return [...texts]
      .filter(([text]) => !/"groupId":"warm-|"groupId":"refused/.test(text))
      .sort(([left], [right]) => (left < right ? -1 : 1))
      .map(([, value]) => this.#comparable(value))
  }

  #nameOf(value: unknown): unknown {
    if (typeof value !== 'string') return value === 0 || value === -1 ? value : 'made up'
    if (value === '' || value === ZERO_UUID) return value
    const name = this.#names.get(value) ?? `#${this.#names.size}`
    this.#names.set(value, name)
    return name
  }
}

/** Chosen by each broker as it likes. */
const MADE_UP = new Set(['memberId', 'leader', 'sessionId', 'producerId', 'topicId'])
/** Differ between any two brokers: addresses, times, texts for people. */
const INCOMPARABLE = new Set([
  'host',
  'port',
  'throttleTimeMs',
  'lastTimestamp',
  'errorMessage',
  'clientHost',
  // Kafka answers a retry with the timestamp of the batch, as if it were the time of the append.
  'logAppendTimeMs',
])
/** Beside an error it means nothing, and Kafka itself fills it in by how it noticed the error. */
const LEFT_OPEN = new Set(['logStartOffset', 'abortedTransactions'])

/** A consumer that reads `compared`: version 1, one topic, no user data, no partitions. */
const subscription = Uint8Array.from(
  Buffer.from('0001000000010008636f6d7061726564ffffffff00000000', 'hex'),
)

function joinRequest(groupId: string, fields: Partial<RequestBody<'JoinGroup'>> = {}) {
  return {
    groupId,
    memberId: '',
    sessionTimeoutMs: 30_000,
    rebalanceTimeoutMs: 30_000,
    protocolType: 'consumer',
    protocols: [{ name: 'range', metadata: subscription }],
    ...fields,
  }
}

function commitRequest(groupId: string, fields: Partial<RequestBody<'OffsetCommit'>> = {}) {
  return {
    groupId,
    memberId: '',
    topics: [
      {
        name: TOPIC,
        partitions: [{ partitionIndex: 0, committedOffset: 5, committedMetadata: 'm' }],
      },
    ],
    ...fields,
  }
}

function batch(fields: { producerId: number; producerEpoch: number; baseSequence: number }) {
  const record = { key: null, value: new Uint8Array(3), headers: [], timestampMs: 1_000 }
  return encodeBatch({ records: [record], ...fields }, crc32c)
}

type Conversation = (side: Side) => Promise<void>

const CONVERSATIONS: Readonly<Record<string, Conversation>> = {
  async 'who may not join'(side) {
    const cases: readonly (readonly [string, Partial<RequestBody<'JoinGroup'>>])[] = [
      ['a short session', { sessionTimeoutMs: 1 }],
      ['a long session', { sessionTimeoutMs: 2_000_000 }],
      ['an id of nobody', { memberId: 'nobody' }],
      ['no protocols', { protocols: [] }],
      ['no protocol type', { protocolType: '' }],
      ['an unknown static member with an id', { memberId: 'nobody', groupInstanceId: 'i' }],
    ]
    for (const [step, fields] of cases) {
      for (const version of [3, 5, 9]) {
        // Static members exist since version 5.
        const own = version >= 5 ? fields : { ...fields, groupInstanceId: null }
        await side.ask(step, 'JoinGroup', version, joinRequest('refused', own))
      }
    }
    await side.ask('no group', 'JoinGroup', 9, joinRequest(''))
  },
  async 'the life of a dynamic member'(side) {
    const groupId = 'life'
    const ask: Side['ask'] = side.ask.bind(side)
    const { memberId } = await ask('gets an id', 'JoinGroup', 9, joinRequest(groupId))
    await ask('with an instance id', 'Heartbeat', 4, {
      groupId,
      memberId,
      generationId: 0,
      groupInstanceId: 'i',
    })
    const joined = await ask('comes back', 'JoinGroup', 9, joinRequest(groupId, { memberId }))
    const named = { protocolType: 'consumer', protocolName: 'range' }
    const member = { groupId, memberId, generationId: joined.generationId }
    await ask('completing', 'DescribeGroups', 6, { groups: [groupId] })
    await ask('beats before it syncs', 'Heartbeat', 4, member)
    const commit = commitRequest(groupId, { memberId, generationIdOrMemberEpoch: 1 })
    await ask('commits before it syncs', 'OffsetCommit', 9, commit)
    await ask('an administrator commits', 'OffsetCommit', 9, commitRequest(groupId))
    await ask('syncs of another generation', 'SyncGroup', 5, {
      ...member,
      ...named,
      generationId: 9,
      assignments: [],
    })
    await ask('syncs as nobody', 'SyncGroup', 5, {
      ...member,
      ...named,
      memberId: 'nobody',
      assignments: [],
    })
    await ask('syncs another protocol', 'SyncGroup', 5, {
      ...member,
      ...named,
      protocolName: 'x',
      assignments: [],
    })
    await ask('syncs another type', 'SyncGroup', 5, {
      ...member,
      ...named,
      protocolType: 'x',
      assignments: [],
    })
    const assignments = [{ memberId, assignment: Uint8Array.of(1, 2) }]
    await ask('syncs', 'SyncGroup', 5, { ...member, ...named, assignments })
    await ask('syncs again', 'SyncGroup', 3, { ...member, assignments: [] })
    for (const version of [0, 4, 6])
      await ask('stable', 'DescribeGroups', version, { groups: [groupId] })
    await ask('may do', 'DescribeGroups', 5, {
      groups: [groupId],
      includeAuthorizedOperations: true,
    })
    for (const [step, fields] of [
      ['beats', {}],
      ['beats in the past', { generationId: 0 }],
      ['beats in the future', { generationId: 2 }],
      ['beats as nobody', { memberId: 'nobody' }],
      ['beats as an instance', { groupInstanceId: 'i' }],
    ] as const) {
      await ask(step, 'Heartbeat', 4, { ...member, ...fields })
    }
    for (const [step, fields] of [
      ['commits', { memberId, generationIdOrMemberEpoch: 1 }],
      ['commits in the past', { memberId, generationIdOrMemberEpoch: 0 }],
      ['commits without a generation', { memberId }],
      ['commits as nobody', { memberId: 'nobody', generationIdOrMemberEpoch: 1 }],
      ['an administrator commits', {}],
      ['an instance commits', { memberId, generationIdOrMemberEpoch: 1, groupInstanceId: 'i' }],
    ] as const) {
      for (const version of [7, 9])
        await ask(step, 'OffsetCommit', version, commitRequest(groupId, fields))
    }
    await ask(
      'drops its protocol',
      'JoinGroup',
      9,
      joinRequest(groupId, { memberId, protocols: [{ name: 'x', metadata: subscription }] }),
    )
    await ask(
      'changes its type',
      'JoinGroup',
      9,
      joinRequest(groupId, { memberId, protocolType: 'connect' }),
    )
    await ask(
      'another type joins',
      'JoinGroup',
      9,
      joinRequest(groupId, { protocolType: 'connect' }),
    )
    await ask(
      'another protocol joins',
      'JoinGroup',
      3,
      joinRequest(groupId, { protocols: [{ name: 'x', metadata: subscription }] }),
    )
    await ask('deletes offsets that are read', 'OffsetDelete', 0, {
      groupId,
      topics: [{ name: TOPIC, partitions: [{ partitionIndex: 0 }] }],
    })
    await ask('is deleted', 'DeleteGroups', 2, { groupsNames: [groupId] })
    await ask('strangers leave', 'LeaveGroup', 5, {
      groupId,
      members: [
        { memberId: 'nobody', groupInstanceId: null },
        { memberId: '', groupInstanceId: 'i' },
        { memberId, groupInstanceId: 'i' },
      ],
    })
    await ask('leaves', 'LeaveGroup', 5, {
      groupId,
      members: [{ memberId, groupInstanceId: null }],
    })
    await ask('empty', 'DescribeGroups', 5, { groups: [groupId] })
    await ask('beats after it left', 'Heartbeat', 4, member)
    await ask('syncs after it left', 'SyncGroup', 5, { ...member, ...named, assignments: [] })
    await ask('rejoins after it left', 'JoinGroup', 9, joinRequest(groupId, { memberId }))
    await ask('commits after it left', 'OffsetCommit', 9, commit)
    await ask('an administrator commits', 'OffsetCommit', 9, commitRequest(groupId))
    await ask('leaves twice', 'LeaveGroup', 1, { groupId, memberId })
    await ask('is deleted', 'DeleteGroups', 2, { groupsNames: [groupId, groupId, 'unknown'] })
    await ask('gone', 'DescribeGroups', 6, { groups: [groupId] })
    await ask('gone', 'DescribeGroups', 5, { groups: [groupId] })
    await ask('leaves what is gone', 'LeaveGroup', 5, {
      groupId,
      members: [{ memberId, groupInstanceId: null }],
    })
    await ask('leaves what is gone', 'LeaveGroup', 1, { groupId, memberId })
    await ask('beats for what is gone', 'Heartbeat', 4, member)
    await ask('commits to what is gone', 'OffsetCommit', 8, commit)
    await ask('commits to what is gone', 'OffsetCommit', 9, commit)
  },
  async 'static members'(side) {
    const groupId = 'static'
    const ask: Side['ask'] = side.ask.bind(side)
    const join = (version: number, fields: Partial<RequestBody<'JoinGroup'>> = {}) =>
      ask(
        'joins',
        'JoinGroup',
        version,
        joinRequest(groupId, { groupInstanceId: 'one', ...fields }),
      )
    const first = await join(9)
    const { memberId, generationId } = first
    const named = { protocolType: 'consumer', protocolName: 'range' }
    const member = { groupId, memberId, generationId, groupInstanceId: 'one' }
    const assignments = [{ memberId, assignment: Uint8Array.of(7) }]
    await ask('syncs', 'SyncGroup', 5, { ...member, ...named, assignments })
    const second = await join(9)
    await ask('syncs after a restart', 'SyncGroup', 5, {
      ...member,
      ...named,
      memberId: second.memberId,
      assignments: [],
    })
    const third = await join(7)
    for (const id of [memberId, second.memberId, third.memberId]) {
      await ask('beats', 'Heartbeat', 4, { ...member, memberId: id })
      const fields = {
        memberId: id,
        groupInstanceId: 'one',
        generationIdOrMemberEpoch: generationId,
      }
      await ask('commits', 'OffsetCommit', 9, commitRequest(groupId, fields))
      await ask('syncs', 'SyncGroup', 5, { ...member, ...named, memberId: id, assignments: [] })
    }
    await ask(
      'its former self rejoins',
      'JoinGroup',
      9,
      joinRequest(groupId, { memberId, groupInstanceId: 'one' }),
    )
    await ask(
      'an unknown instance with a known id',
      'JoinGroup',
      9,
      joinRequest(groupId, { memberId: third.memberId, groupInstanceId: 'two' }),
    )
    await ask('is described', 'DescribeGroups', 5, { groups: [groupId] })
    await ask('its former self leaves', 'LeaveGroup', 5, {
      groupId,
      members: [{ memberId, groupInstanceId: 'one' }],
    })
    await ask('is removed by its instance', 'LeaveGroup', 5, {
      groupId,
      members: [{ memberId: '', groupInstanceId: 'one' }],
    })
    await ask('is described', 'DescribeGroups', 5, { groups: [groupId] })
  },
  async 'a group that only commits'(side) {
    const groupId = 'simple'
    const ask: Side['ask'] = side.ask.bind(side)
    for (const version of [2, 5, 8, 9])
      await ask('commits', 'OffsetCommit', version, commitRequest(groupId))
    await ask(
      'commits with a generation',
      'OffsetCommit',
      8,
      commitRequest('absent', { generationIdOrMemberEpoch: 3 }),
    )
    await ask(
      'commits with a generation',
      'OffsetCommit',
      9,
      commitRequest('absent', { generationIdOrMemberEpoch: 3 }),
    )
    const metadata = { partitionIndex: 0, committedOffset: 5, committedMetadata: 'x'.repeat(4_097) }
    await ask(
      'long metadata',
      'OffsetCommit',
      9,
      commitRequest(groupId, { topics: [{ name: TOPIC, partitions: [metadata] }] }),
    )
    const partitions = [{ partitionIndex: 9, committedOffset: 5, committedMetadata: null }]
    await ask(
      'no such partition',
      'OffsetCommit',
      9,
      commitRequest(groupId, {
        topics: [
          { name: TOPIC, partitions },
          { name: 'absent', partitions },
        ],
      }),
    )
    for (const version of [1, 2, 5, 7]) {
      for (const group of [groupId, 'absent']) {
        const topics = [{ name: TOPIC, partitionIndexes: [0, 1, 9] }]
        await ask(`fetches of ${group}`, 'OffsetFetch', version, { groupId: group, topics })
      }
      if (version > 1) await ask('fetches all', 'OffsetFetch', version, { groupId, topics: null })
    }
    const groups = [
      { groupId, topics: [{ name: TOPIC, partitionIndexes: [0, 1] }] },
      { groupId, topics: null },
      { groupId: 'absent', topics: null },
    ]
    for (const version of [8, 9])
      await ask('fetches of several', 'OffsetFetch', version, { groups, requireStable: true })
    await ask('is described', 'DescribeGroups', 5, { groups: [groupId] })
    await ask('is listed', 'ListGroups', 5, { statesFilter: ['Empty'], typesFilter: ['classic'] })
    await ask('is listed', 'ListGroups', 2, {})
    await ask('odd filters', 'ListGroups', 5, { statesFilter: ['Odd'], typesFilter: [] })
    await ask('deletes offsets', 'OffsetDelete', 0, {
      groupId,
      topics: [
        {
          name: TOPIC,
          partitions: [{ partitionIndex: 0 }, { partitionIndex: 1 }, { partitionIndex: 9 }],
        },
        { name: 'absent', partitions: [{ partitionIndex: 0 }] },
      ],
    })
    await ask('deletes offsets of nobody', 'OffsetDelete', 0, {
      groupId: 'absent',
      topics: [{ name: TOPIC, partitions: [{ partitionIndex: 0 }] }],
    })
    await ask('without offsets', 'OffsetFetch', 7, { groupId, topics: null })
  },
  async 'idempotent producers'(side) {
    const ask: Side['ask'] = side.ask.bind(side)
    for (const [step, producerId, producerEpoch] of [
      ['asks for an id', -1, -1],
      ['names the id it had', 5, 3],
      ['names an id alone', 5, -1],
      ['names an epoch alone', -1, 3],
    ] as const) {
      const request = {
        transactionalId: null,
        transactionTimeoutMs: 60_000,
        producerId,
        producerEpoch,
      }
      for (const version of [3, 5]) await ask(step, 'InitProducerId', version, request)
    }
    const request = { transactionalId: '', transactionTimeoutMs: 60_000 }
    await ask('an empty transactional id', 'InitProducerId', 5, request)
    for (const [producerId, producerEpoch, baseSequence] of [
      [77_000, 0, 0],
      [77_000, 0, 1],
      [77_000, 0, 0],
      [77_000, 0, 5],
      [77_000, 0, 1],
      [77_000, 2, 1],
      [77_000, 2, 0],
      [77_000, 1, 0],
      [77_000, 2, 2_147_483_647],
      [77_001, 0, 2_147_483_647],
      [77_001, 0, 0],
      [77_001, 0, 2_147_483_647],
      [77_002, 4, 12],
      [77_002, 4, 13],
      [77_002, 4, 11],
    ] as const) {
      const records = batch({ producerId, producerEpoch, baseSequence })
      const topicData = [{ name: TOPIC, partitionData: [{ index: 2, records }] }]
      const body = { transactionalId: null, acks: -1, timeoutMs: 10_000, topicData }
      await ask(`epoch ${producerEpoch}, sequence ${baseSequence}`, 'Produce', 11, body)
    }
    await ask('who produces', 'DescribeProducers', 0, {
      topics: [
        { name: TOPIC, partitionIndexes: [2, 1, 9] },
        { name: 'absent', partitionIndexes: [0] },
      ],
    })
    await ask('which transactions', 'ListTransactions', 1, {
      stateFilters: ['Ongoing', 'Odd'],
      producerIdFilters: [],
    })
  },
  async 'fetch sessions'(side) {
    const ask: Side['ask'] = side.ask.bind(side)
    const partitions = [0, 1].map((partition) => ({
      partition,
      fetchOffset: 0,
      partitionMaxBytes: 1_000,
    }))
    const whole = [{ topic: TOPIC, partitions }]
    const fetch = (
      step: string,
      session: { readonly sessionId: number; readonly sessionEpoch: number },
      topics: RequestBody<'Fetch'>['topics'] = [],
      forgottenTopicsData: NonNullable<RequestBody<'Fetch'>['forgottenTopicsData']> = [],
      version = 12,
    ) =>
      ask(step, 'Fetch', version, {
        maxWaitMs: 0,
        minBytes: 1,
        topics,
        forgottenTopicsData,
        ...session,
      })
    await fetch('without a session', { sessionId: 0, sessionEpoch: -1 }, whole)
    const { sessionId } = await fetch('a new session', { sessionId: 0, sessionEpoch: 0 }, whole)
    await fetch('nothing new', { sessionId, sessionEpoch: 1 })
    await fetch('an epoch again', { sessionId, sessionEpoch: 1 })
    await fetch('an epoch to come', { sessionId, sessionEpoch: 7 })
    await fetch('an unknown session', { sessionId: 12_345, sessionEpoch: 1 })
    await fetch('topic ids in a session of names', { sessionId, sessionEpoch: 2 }, [], [], 13)
    await fetch('adds an error', { sessionId, sessionEpoch: 2 }, [
      { topic: TOPIC, partitions: [{ partition: 1, fetchOffset: 99, partitionMaxBytes: 1_000 }] },
      { topic: 'absent', partitions: [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 1_000 }] },
    ])
    await fetch('repeats errors', { sessionId, sessionEpoch: 3 })
    await fetch(
      'heals',
      { sessionId, sessionEpoch: 4 },
      [{ topic: TOPIC, partitions: [{ partition: 1, fetchOffset: 0, partitionMaxBytes: 1_000 }] }],
      [{ topic: 'absent', partitions: [0] }],
    )
    await fetch(
      'forgets all',
      { sessionId, sessionEpoch: 5 },
      [],
      [{ topic: TOPIC, partitions: [0, 1] }],
    )
    await fetch('is gone', { sessionId, sessionEpoch: 6 })
    const again = await fetch('another session', { sessionId: 0, sessionEpoch: 0 }, whole)
    await fetch('ends it', { sessionId: again.sessionId, sessionEpoch: -1 }, whole)
    await fetch('is gone, too', { sessionId: again.sessionId, sessionEpoch: 1 })
    await fetch('a session of nothing', { sessionId: 0, sessionEpoch: 0 })
  },
}

let brokers: readonly { readonly port: number; stop(): Promise<unknown> }[] = []

describe.skipIf(apacheKafkaAbsence())(`beside Apache Kafka ${APACHE_KAFKA_VERSION}`, () => {
  beforeAll(async () => {
    brokers = await Promise.all([ApacheKafka.start(), BrokerProcess.start()])
    for (const { port } of brokers) {
      const side = new Side(port)
      const topic = {
        name: TOPIC,
        numPartitions: 3,
        replicationFactor: 1,
        assignments: [],
        configs: [],
      }
      await side.settle('CreateTopics', 7, { topics: [topic], timeoutMs: 10_000 }, (text) =>
        /ALREADY_EXISTS/.test(text),
      )
      await side.settle('FindCoordinator', 4, { keyType: 0, coordinatorKeys: ['any'] }, (text) =>
        /NONE/.test(text),
      )
      const producer = { transactionalId: null, transactionTimeoutMs: 60_000 }
      await side.settle('InitProducerId', 4, producer, (text) => /NONE/.test(text))
      // Kafka's coordinator takes a moment for each partition of its log.
      const groups = Array.from({ length: 200 }, (_, index) => `warm-${index}`)
      await side.settle(
        'DescribeGroups',
        5,
        { groups },
        (text) => !/LOAD|NOT_COORDINATOR|NOT_AVAILABLE/.test(text),
      )
      side.close()
    }
  })
  afterAll(() => Promise.all(brokers.map((broker) => broker.stop())))

  test.for(Object.entries(CONVERSATIONS))('%s', async ([, converse]) => {
    const [kafka, fairlead] = await Promise.all(
      brokers.map(async ({ port }) => {
        const side = new Side(port)
        await converse(side)
        side.close()
        return side.answers
      }),
    )
    expect(fairlead).toEqual(kafka)
  })
})
