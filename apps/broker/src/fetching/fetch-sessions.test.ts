import { ZERO_UUID } from '@fairlead/protocol'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { epochAfter } from './fetch-session.ts'
import { FetchSessions, type OpenedFetch } from './fetch-sessions.ts'
import type { FetchRequest, FetchTarget, PartitionAnswer } from './fetch-target.ts'

const BY_NAME_VERSION = 12
const BY_ID_VERSION = 13
const STALE_MS = 120_001

type RequestOptions = {
  readonly sessionId?: number
  readonly sessionEpoch: number
  readonly partitions?: readonly number[]
  readonly forgotten?: readonly number[]
  readonly fetchOffset?: number
  readonly replicaId?: number
}

function request(options: RequestOptions): FetchRequest {
  const { sessionId = 0, sessionEpoch, partitions = [], forgotten = [] } = options
  const { fetchOffset = 0, replicaId = -1 } = options
  const topic = { topic: 'orders', topicId: ZERO_UUID }
  return {
    clusterId: null,
    replicaId,
    replicaState: { replicaId: -1, replicaEpoch: -1 },
    maxWaitMs: 0,
    minBytes: 1,
    maxBytes: 1_000_000,
    isolationLevel: 0,
    sessionId,
    sessionEpoch,
    topics: [
      {
        ...topic,
        partitions: partitions.map((partition) => ({
          partition,
          currentLeaderEpoch: -1,
          fetchOffset,
          lastFetchedEpoch: -1,
          logStartOffset: -1,
          partitionMaxBytes: 1_000,
          replicaDirectoryId: ZERO_UUID,
          highWatermark: Number.MAX_SAFE_INTEGER,
        })),
      },
    ],
    forgottenTopicsData: [{ ...topic, partitions: forgotten }],
    rackId: '',
  }
}

function sessions(options: { readonly slotsMax?: number; readonly partitionsMax?: number } = {}) {
  let nextId = 0
  const random = { int: () => nextId++, bytes: (length: number) => new Uint8Array(length) }
  return new FetchSessions({ slotsMax: 10, partitionsMax: 1_000, ...options, random })
}

function answerTo(target: FetchTarget, fields: Partial<PartitionAnswer> = {}) {
  const answer: PartitionAnswer = {
    partitionIndex: target.request.partition,
    errorCode: 'NONE',
    highWatermark: 7,
    lastStableOffset: 7,
    logStartOffset: 0,
    abortedTransactions: null,
    records: [],
    ...fields,
  }
  return { target, topicName: target.topic, answer }
}

/** Opens a fetch and answers all its partitions, changed as `fields` say; partitions in the answer. */
function exchange(
  cache: FetchSessions,
  options: RequestOptions & { readonly apiVersion?: number; readonly nowMs?: number },
  fields: (partition: number) => Partial<PartitionAnswer> = () => ({}),
) {
  const { apiVersion = BY_NAME_VERSION, nowMs = 0 } = options
  const fetch = cache.open(request(options), { apiVersion, nowMs })
  if (fetch.kind === 'refused') return { errorCode: fetch.errorCode, sessionId: 0, partitions: [] }
  const answered = fetch.targets.map((target) => answerTo(target, fields(target.request.partition)))
  const answer = cache.answer(fetch, answered, nowMs)
  return {
    errorCode: answer.errorCode,
    sessionId: answer.sessionId,
    partitions: answer.answered.map(({ target }) => target.request.partition),
  }
}

function begin(cache: FetchSessions, partitions: readonly number[], nowMs = 0, replicaId = -1) {
  return exchange(cache, { sessionEpoch: 0, partitions, nowMs, replicaId }).sessionId
}

describe('the life of a session', () => {
  test('a full request begins one, and is answered in full', () => {
    const cache = sessions()
    expect(exchange(cache, { sessionEpoch: 0, partitions: [0, 1] })).toEqual({
      errorCode: 'NONE',
      sessionId: 1,
      partitions: [0, 1],
    })
    expect(cache).toMatchObject({ count: 1, partitionCount: 2 })
  })

  test('an incremental request names nothing, and hears only what is new', () => {
    const cache = sessions()
    const sessionId = begin(cache, [0, 1, 2])
    expect(exchange(cache, { sessionId, sessionEpoch: 1 }).partitions).toEqual([])
    const raised = exchange(cache, { sessionId, sessionEpoch: 2 }, (partition) =>
      partition === 1 ? { highWatermark: 8 } : {},
    )
    expect(raised).toEqual({ errorCode: 'NONE', sessionId, partitions: [1] })
  })

  test.for([
    ['records', { records: [new Uint8Array(1)] }],
    ['an error', { errorCode: 'OFFSET_OUT_OF_RANGE' }],
    ['another high watermark', { highWatermark: 9 }],
    ['another log start', { logStartOffset: 3 }],
    ['a preferred replica', { preferredReadReplica: 2 }],
    ['a diverging epoch', { divergingEpoch: { epoch: 1, endOffset: 2 } }],
  ] as const satisfies readonly (readonly [string, Partial<PartitionAnswer>])[])(
    'a partition with %s is news',
    ([, fields]) => {
      const cache = sessions()
      const sessionId = begin(cache, [0, 1])
      const answer = exchange(cache, { sessionId, sessionEpoch: 1 }, (partition) =>
        partition === 0 ? fields : {},
      )
      expect(answer.partitions).toEqual([0])
    },
  )

  test('a last stable offset alone is no news, as in Kafka', () => {
    const cache = sessions()
    const sessionId = begin(cache, [0])
    const answer = exchange(cache, { sessionId, sessionEpoch: 1 }, () => ({ lastStableOffset: 6 }))
    expect(answer.partitions).toEqual([])
  })

  test('an error is told again and again, and so is its end', () => {
    const cache = sessions()
    const sessionId = begin(cache, [0])
    const failing = () => ({ errorCode: 'NOT_LEADER_OR_FOLLOWER' }) as const
    for (const sessionEpoch of [1, 2]) {
      expect(exchange(cache, { sessionId, sessionEpoch }, failing).partitions).toEqual([0])
    }
    expect(exchange(cache, { sessionId, sessionEpoch: 3 }).partitions).toEqual([0])
    expect(exchange(cache, { sessionId, sessionEpoch: 4 }).partitions).toEqual([])
  })

  test('partitions that gave records go to the end of the line', () => {
    const cache = sessions()
    const sessionId = begin(cache, [0, 1, 2])
    exchange(cache, { sessionId, sessionEpoch: 1 }, (partition) =>
      partition === 0 ? { records: [new Uint8Array(1)] } : {},
    )
    const next = cache.open(request({ sessionId, sessionEpoch: 2 }), {
      apiVersion: BY_NAME_VERSION,
      nowMs: 0,
    })
    expect(partitionsOf(next)).toEqual([1, 2, 0])
  })

  test('a request adds, changes and forgets partitions', () => {
    const cache = sessions()
    const sessionId = begin(cache, [0, 1])
    const options = { sessionId, sessionEpoch: 1, partitions: [1, 2], forgotten: [0] }
    const next = cache.open(request({ ...options, fetchOffset: 5 }), {
      apiVersion: BY_NAME_VERSION,
      nowMs: 0,
    })
    expect(partitionsOf(next)).toEqual([1, 2])
    expect(next).toMatchObject({ targets: [{ request: { fetchOffset: 5 } }, {}] })
    expect(cache.partitionCount).toBe(2)
  })

  test('a session without partitions ends', () => {
    const cache = sessions()
    const sessionId = begin(cache, [0])
    const emptied = exchange(cache, { sessionId, sessionEpoch: 1, forgotten: [0] })
    expect(emptied).toEqual({ errorCode: 'NONE', sessionId: 0, partitions: [] })
    expect(cache).toMatchObject({ count: 0, partitionCount: 0 })
  })

  test.for([
    { sessionEpoch: 0, rule: 'begins another', sessionId: 2, count: 1 },
    { sessionEpoch: -1, rule: 'ends it', sessionId: 0, count: 0 },
  ])('a full request of epoch $sessionEpoch in a session $rule', (row) => {
    const cache = sessions()
    const sessionId = begin(cache, [0])
    const answer = exchange(cache, { sessionId, sessionEpoch: row.sessionEpoch, partitions: [0] })
    expect(answer).toEqual({ errorCode: 'NONE', sessionId: row.sessionId, partitions: [0] })
    expect(cache.count).toBe(row.count)
  })
})

describe('what is refused', () => {
  test.for([
    {
      rule: 'a session that nobody knows',
      sessionId: 99,
      sessionEpoch: 1,
      apiVersion: 12,
      errorCode: 'FETCH_SESSION_ID_NOT_FOUND',
    },
    {
      rule: 'an epoch of the past',
      sessionId: 1,
      sessionEpoch: 4,
      apiVersion: 12,
      errorCode: 'INVALID_FETCH_SESSION_EPOCH',
    },
    {
      rule: 'an epoch of the future',
      sessionId: 1,
      sessionEpoch: 2,
      apiVersion: 12,
      errorCode: 'INVALID_FETCH_SESSION_EPOCH',
    },
    {
      rule: 'topic ids in a session of names',
      sessionId: 1,
      sessionEpoch: 1,
      apiVersion: BY_ID_VERSION,
      errorCode: 'FETCH_SESSION_TOPIC_ID_ERROR',
    },
  ] as const)('$rule is $errorCode', ({ errorCode, ...row }) => {
    const cache = sessions()
    begin(cache, [0])
    expect(exchange(cache, row)).toEqual({ errorCode, sessionId: 0, partitions: [] })
  })

  test('of a request that came twice only one is answered', () => {
    const cache = sessions()
    const sessionId = begin(cache, [0])
    const context = { apiVersion: BY_NAME_VERSION, nowMs: 0 }
    const first = cache.open(request({ sessionId, sessionEpoch: 1 }), context)
    const second = cache.open(request({ sessionId, sessionEpoch: 2 }), context)
    expect(answerOf(cache, first)).toMatchObject({
      errorCode: 'INVALID_FETCH_SESSION_EPOCH',
      sessionId,
      answered: [],
    })
    expect(answerOf(cache, second)).toMatchObject({ errorCode: 'NONE', sessionId })
  })

  test.for([
    [1, 2],
    [2_147_483_647, 1],
  ])('epoch %i is followed by %i', ([epoch = 0, next]) => {
    expect(epochAfter(epoch)).toBe(next)
  })
})

describe('which session gives way', () => {
  test('none of the young ones: the newcomer goes without', () => {
    const cache = sessions({ slotsMax: 1 })
    begin(cache, [0])
    expect(begin(cache, [0, 1, 2])).toBe(0)
    expect(cache).toMatchObject({ count: 1, evictedTotal: 0 })
  })

  test('the longest unused one when it is stale', () => {
    const cache = sessions({ slotsMax: 2 })
    const first = begin(cache, [0, 1, 2])
    const second = begin(cache, [0])
    exchange(cache, { sessionId: first, sessionEpoch: 1, nowMs: 10 })
    expect(begin(cache, [0], STALE_MS)).toBeGreaterThan(0)
    expect(exchange(cache, { sessionId: second, sessionEpoch: 1 }).errorCode).toBe(
      'FETCH_SESSION_ID_NOT_FOUND',
    )
    expect(cache).toMatchObject({ count: 2, evictedTotal: 1, partitionCount: 4 })
  })

  test.for([
    { partitions: [0], isRoom: false },
    { partitions: [0, 1], isRoom: false },
    { partitions: [0, 1, 2], isRoom: true },
  ])('an old one in use for one with more partitions: $partitions', ({ partitions, isRoom }) => {
    const cache = sessions({ slotsMax: 1 })
    const sessionId = begin(cache, [0, 1])
    exchange(cache, { sessionId, sessionEpoch: 1, nowMs: STALE_MS })
    expect(begin(cache, partitions, STALE_MS) > 0).toBe(isRoom)
  })

  test('a young one of a consumer for one of a follower, but not the other way', () => {
    const cache = sessions({ slotsMax: 1 })
    begin(cache, [0, 1, 2])
    expect(begin(cache, [0], 0, 5)).toBeGreaterThan(0)
    expect(begin(cache, [0, 1, 2], 0)).toBe(0)
    expect(begin(cache, [0, 1, 2], 0, 6)).toBe(0)
  })

  test('without slots there are no sessions', () => {
    expect(begin(sessions({ slotsMax: 0 }), [0])).toBe(0)
  })
})

describe('bounds', () => {
  test('no session begins beyond the partitions of all', () => {
    const cache = sessions({ partitionsMax: 3 })
    expect(begin(cache, [0, 1])).toBeGreaterThan(0)
    expect(begin(cache, [0, 1])).toBe(0)
  })

  test('a session that would grow beyond them ends', () => {
    const cache = sessions({ partitionsMax: 3 })
    const sessionId = begin(cache, [0, 1])
    const grown = exchange(cache, { sessionId, sessionEpoch: 1, partitions: [2, 3] })
    expect(grown.errorCode).toBe('FETCH_SESSION_ID_NOT_FOUND')
    expect(cache).toMatchObject({ count: 0, partitionCount: 0 })
  })
})

/**
 * The client of KIP-227: it keeps what it was told, and so must know after every answer what a client
 * with full requests would know.
 */
test('a client with a session knows what one without would', () => {
  const change = fc.record({
    raised: fc.uniqueArray(fc.nat({ max: 3 })),
    added: fc.uniqueArray(fc.nat({ max: 5 })),
    forgotten: fc.uniqueArray(fc.nat({ max: 5 })),
  })
  fc.assert(
    fc.property(fc.array(change, { maxLength: 30 }), (changes) => {
      const cache = sessions()
      const truth = new Map<number, number>()
      const known = new Map<number, number>()
      let wanted = new Set([0, 1])
      let [sessionId, sessionEpoch] = [0, 0]
      for (const { raised, added, forgotten } of [
        { raised: [], added: [], forgotten: [] },
        ...changes,
      ]) {
        for (const partition of raised) truth.set(partition, (truth.get(partition) ?? 0) + 1)
        const isFull = sessionEpoch === 0
        const gone = isFull ? [] : forgotten.filter((partition) => wanted.has(partition))
        for (const partition of gone) known.delete(partition)
        wanted = new Set([...wanted, ...added].filter((partition) => !gone.includes(partition)))
        const partitions = isFull ? [...wanted] : added.filter((partition) => wanted.has(partition))
        const options = { sessionId, sessionEpoch, partitions, forgotten: gone }
        const fetch = cache.open(request(options), { apiVersion: BY_NAME_VERSION, nowMs: 0 })
        expect(fetch.kind).not.toBe('refused')
        if (fetch.kind === 'refused') return
        const highWatermark = (partition: number) => truth.get(partition) ?? 0
        const answer = cache.answer(
          fetch,
          fetch.targets.map((target) =>
            answerTo(target, { highWatermark: highWatermark(target.request.partition) }),
          ),
          0,
        )
        for (const { target, answer: told } of answer.answered) {
          known.set(target.request.partition, told.highWatermark)
        }
        expect(known).toEqual(
          new Map([...wanted].map((partition) => [partition, highWatermark(partition)])),
        )
        sessionId = answer.sessionId
        sessionEpoch = sessionId === 0 ? 0 : sessionEpoch + 1
      }
    }),
  )
})

function partitionsOf(fetch: OpenedFetch): readonly number[] | undefined {
  return fetch.kind === 'refused'
    ? undefined
    : fetch.targets.map(({ request }) => request.partition)
}

function answerOf(cache: FetchSessions, fetch: OpenedFetch) {
  if (fetch.kind === 'refused') throw new Error('the fetch is refused')
  return cache.answer(
    fetch,
    fetch.targets.map((target) => answerTo(target)),
    0,
  )
}
