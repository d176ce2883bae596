import { connect } from 'node:net'
import { APIS, type ApiName, crc32c, encodeBatch, encodeRequest } from '@fairlead/protocol'
import { afterAll, beforeAll, expect, test } from 'vitest'
import {
  type TestBroker,
  removeDirectory,
  startTestBroker,
  temporaryDirectory,
} from './testing/test-broker.ts'
import { TestClient } from './testing/test-client.ts'

/** Set FUZZ_FRAMES and FUZZ_SEED to search longer, or to repeat what failed. */
const FRAMES = Number(process.env['FUZZ_FRAMES'] ?? 3_000)
const SEED = Number(process.env['FUZZ_SEED'] ?? Date.now() % 1_000_000)
const PARALLEL = 8
const HEAP_GROWTH_BYTES_MAX = 200 * 1024 * 1024
const FRAME_TIMEOUT_MS = 100

let broker: TestBroker

beforeAll(async () => {
  broker = await startTestBroker(temporaryDirectory(), { 'num.partitions': '2' })
})
afterAll(async () => {
  await broker.stop()
  removeDirectory(broker.directory)
})

test(`${FRAMES} random and mutated frames (FUZZ_SEED=${SEED}) disturb nobody else`, {
  timeout: 120_000,
}, async () => {
  const random = mulberry32(SEED)
  const client = new TestClient(broker.port)
  const topicId = await createTopic(client)
  const seeds = validFrames(topicId)
  const heapBefore = process.memoryUsage().heapUsed

  const left = { frames: FRAMES }
  const attackers = Array.from({ length: PARALLEL }, async () => {
    while (left.frames > 0) {
      left.frames -= 1
      await attack(malformed(seeds, random))
    }
  })
  const served = (async () => {
    let requests = 0
    for (; left.frames > 0; requests += 1) await useTopic(client, topicId)
    return requests
  })()
  await Promise.all(attackers)

  expect(await served).toBeGreaterThan(10)
  expect(broker.failures).toEqual([])
  expect(process.memoryUsage().heapUsed - heapBefore).toBeLessThan(HEAP_GROWTH_BYTES_MAX)
  const failed = broker.warnings.filter((warning) => warning.includes('a handler failed'))
  expect(failed).toEqual([])
  client.close()
})

async function createTopic(client: TestClient): Promise<string> {
  const { topics } = await client.call('Metadata', { topics: [{ name: 'attacked' }] })
  return topics[0]?.topicId ?? ''
}

/** The well-formed client: a record in, the same record out. */
async function useTopic(client: TestClient, topicId: string): Promise<void> {
  const { responses } = await client.call('Produce', {
    transactionalId: null,
    acks: -1,
    timeoutMs: 1_000,
    topicData: [{ topicId, partitionData: [{ index: 0, records: oneRecord() }] }],
  })
  const produced = responses[0]?.partitionResponses[0]
  expect(produced?.errorCode).toBe('NONE')
  const fetched = await client.call('Fetch', {
    maxWaitMs: 1_000,
    minBytes: 1,
    topics: [
      {
        topicId,
        partitions: [
          { partition: 0, fetchOffset: produced?.baseOffset ?? -1, partitionMaxBytes: 100_000 },
        ],
      },
    ],
    forgottenTopicsData: [],
  })
  expect(fetched.responses[0]?.partitions[0]?.records?.length).toBeGreaterThan(0)
}

/** Sends a frame, waits for an answer, the end or a moment, and leaves. */
function attack(frame: Uint8Array): Promise<void> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port: broker.port })
    const leave = (): void => {
      clearTimeout(timer)
      socket.destroy()
      resolve()
    }
    const timer = setTimeout(leave, FRAME_TIMEOUT_MS)
    socket.on('error', leave)
    socket.on('close', leave)
    socket.on('data', leave)
    socket.write(frame)
  })
}

function oneRecord(): Uint8Array {
  const value = new TextEncoder().encode('value')
  return encodeBatch({ records: [{ key: value, value, headers: [], timestampMs: 1_000 }] }, crc32c)
}

/** One request of each API in each version, as bytes. */
function validFrames(topicId: string): Uint8Array[] {
  const group = { groupId: 'g', memberId: 'm', generationId: 1 }
  const topics = [{ name: 'attacked', topicId, partitions: [] }]
  const bodies: { readonly [Name in ApiName]: Readonly<Record<string, unknown>> } = {
    Produce: {
      transactionalId: null,
      acks: -1,
      timeoutMs: 1_000,
      topicData: [
        { name: 'attacked', topicId, partitionData: [{ index: 0, records: oneRecord() }] },
      ],
    },
    Fetch: {
      maxWaitMs: 10,
      minBytes: 1,
      topics: [
        {
          topic: 'attacked',
          topicId,
          partitions: [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 1_000 }],
        },
      ],
      forgottenTopicsData: [],
    },
    ListOffsets: { replicaId: -1, isolationLevel: 0, topics },
    Metadata: { topics: [{ name: 'attacked' }] },
    OffsetCommit: { ...group, topics },
    OffsetFetch: { ...group, topics: [], groups: [{ groupId: 'g', topics: null }] },
    FindCoordinator: { key: 'g', keyType: 0, coordinatorKeys: ['g'] },
    JoinGroup: {
      ...group,
      sessionTimeoutMs: 10_000,
      protocolType: 'consumer',
      protocols: [{ name: 'range', metadata: oneRecord() }],
    },
    Heartbeat: group,
    LeaveGroup: { ...group, members: [{ memberId: 'm' }] },
    SyncGroup: { ...group, assignments: [{ memberId: 'm', assignment: oneRecord() }] },
    DescribeGroups: { groups: ['g'] },
    ListGroups: { statesFilter: ['Stable'], typesFilter: [] },
    ApiVersions: { clientSoftwareName: 'fuzz', clientSoftwareVersion: '1' },
    CreateTopics: {
      topics: [
        { name: 'created', numPartitions: 1, replicationFactor: 1, assignments: [], configs: [] },
      ],
      timeoutMs: 1_000,
    },
    DeleteTopics: { topics: [{ name: 'created' }], topicNames: ['created'], timeoutMs: 1_000 },
    InitProducerId: { transactionalId: null, transactionTimeoutMs: 1_000 },
    DescribeConfigs: { resources: [{ resourceType: 2, resourceName: 'attacked' }] },
    DescribeCluster: {},
  }
  return (Object.keys(bodies) as ApiName[]).flatMap((name) => {
    const { firstVersion, lastVersion } = APIS[name]
    const versions = Array.from(
      { length: lastVersion - firstVersion + 1 },
      (_, index) => firstVersion + index,
    )
    return versions.map((version) => {
      const body = bodies[name] as Parameters<typeof encodeRequest<ApiName>>[0]['body']
      return Buffer.concat(
        encodeRequest({ name, version, correlationId: 1, clientId: 'fuzz', body }),
      )
    })
  })
}

function malformed(seeds: readonly Uint8Array[], random: () => number): Uint8Array {
  const below = (bound: number): number => Math.floor(random() * bound)
  const seed = Uint8Array.from(seeds[below(seeds.length)] ?? [])
  const kind = below(6)
  if (kind === 0) return Uint8Array.from({ length: 4 + below(200) }, () => below(256))
  if (kind === 1) {
    const noise = Uint8Array.from({ length: 12 + below(200) }, () => below(256))
    new DataView(noise.buffer).setInt32(0, noise.length - 4)
    new DataView(noise.buffer).setInt16(4, below(64))
    new DataView(noise.buffer).setInt16(6, below(14))
    return noise
  }
  if (kind === 2) {
    const cut = seed.subarray(0, 8 + below(Math.max(1, seed.length - 8)))
    new DataView(cut.buffer).setInt32(0, Math.max(0, cut.length - 4))
    return cut
  }
  const flips = 1 + below(kind === 3 ? 1 : 8)
  for (let flip = 0; flip < flips; flip += 1) {
    const at = 4 + below(Math.max(1, seed.length - 4))
    seed[at] = kind === 5 ? (below(2) === 0 ? 0xff : 0x7f) : below(256)
  }
  return seed
}

/** A small seeded generator: the same frames for the same seed. */
function mulberry32(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
