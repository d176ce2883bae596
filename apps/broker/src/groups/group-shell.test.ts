import {
  type CoordinatorRecord,
  GroupCoordinator,
  type OffsetCommitRequest,
  offsetsPartition,
} from '@fairlead/coordinator'
import { StorageError } from '@fairlead/log'
import { ZERO_UUID } from '@fairlead/protocol'
import { expect, test } from 'vitest'
import { Departure } from '../network/departure.ts'
import { GroupShell } from './group-shell.ts'

const TOPIC = 'orders'
const CLIENT = { apiVersion: 8, clientId: 'test', clientHost: '/127.0.0.1' }

/** A shell on a log in memory that fails when told to; time stands still, timers run when told to. */
function setUp({ partitionCount = 1 } = {}) {
  const partitions = Array.from({ length: partitionCount }, (_, partition) => partition)
  const records = partitions.map((): CoordinatorRecord[] => [])
  const state = {
    isDiskFull: false,
    fullPartition: -1,
    created: Promise.resolve(),
    hasFailed: false,
    isOffline: false,
    isAwaited: false,
    appendCount: 0,
    written: Promise.resolve(),
    settled: Promise.resolve(),
    drained: Promise.resolve(),
    replayed: Promise.resolve(),
  }
  const failures: unknown[] = []
  let drawn = 0
  const pending: { readonly delayMs: number; readonly callback: () => void }[] = []
  const shell = new GroupShell({
    coordinator: new GroupCoordinator({
      config: {
        offsetsPartitionCount: partitionCount,
        sessionTimeoutMinMs: 1_000,
        sessionTimeoutMaxMs: 300_000,
        initialRebalanceDelayMs: 0,
        membersMax: 100,
        offsetMetadataMaxBytes: 64,
        offsetsRetentionMs: 604_800_000,
        offsetsRetentionCheckIntervalMs: 600_000,
        groupsMax: 1_000,
        memberMetadataMaxBytes: 65_536,
        committedPartitionsMax: 100,
      },
      random: { int: () => 0, bytes: (length) => new Uint8Array(length).fill((drawn += 1)) },
      topics: {
        topicName: () => undefined,
        topicId: (topic) => (topic === TOPIC ? 'b3JkZXJzAAAAAAAAAAAAAA' : undefined),
        hasPartition: (topic) => topic === TOPIC,
      },
    }),
    offsetsLog: {
      exists: true,
      create: () => state.created,
      partitions: () => partitions,
      append: async (partition, appended) => {
        state.appendCount += 1
        await state.written
        if (state.isDiskFull || state.fullPartition === partition) {
          throw new StorageError('no space left', { code: 'ENOSPC' })
        }
        records[partition]?.push(...appended)
      },
      settled: () => state.settled,
      drained: () => state.drained,
      hasFailed: () => state.hasFailed,
      isOffline: () => state.isOffline,
      isAwaited: () => state.isAwaited,
      replay: async (partition, replay) => {
        if (state.isOffline) throw new StorageError('not open', { code: 'PARTITION_NOT_OPEN' })
        records[partition]?.forEach(replay)
        await state.replayed
      },
    },
    clock: { nowMs: () => 0, wallNowMs: () => 1_700_000_000_000 },
    timers: {
      after: (delayMs, callback) => {
        const timer = { delayMs, callback }
        pending.push(timer)
        return () => pending.splice(pending.indexOf(timer), 1)
      },
    },
    onEvent: () => {},
    onFailure: (error) => failures.push(error),
  })
  return { shell, state, failures, pending }
}

async function settle(): Promise<void> {
  for (let step = 0; step < 20; step += 1) await Promise.resolve()
}

async function commit(
  shell: GroupShell,
  committedOffset: number,
  groupId = 'shop',
): Promise<string | undefined> {
  const partition = {
    partitionIndex: 0,
    committedOffset,
    committedLeaderEpoch: -1,
    committedMetadata: null,
  }
  const request: OffsetCommitRequest = {
    groupId,
    generationIdOrMemberEpoch: -1,
    memberId: '',
    groupInstanceId: null,
    retentionTimeMs: -1,
    topics: [{ name: TOPIC, topicId: ZERO_UUID, partitions: [partition] }],
  }
  const { topics } = await shell.commitOffsets(request, CLIENT)
  return topics[0]?.partitions[0]?.errorCode
}

async function committed(shell: GroupShell): Promise<number | undefined> {
  const topics = [{ name: TOPIC, topicId: ZERO_UUID, partitionIndexes: [0] }]
  const groups = [{ groupId: 'shop', memberId: null, memberEpoch: -1, topics }]
  const request = { groupId: '', topics: null, groups, requireStable: false }
  const answer = await shell.fetchOffsets(request, CLIENT)
  return answer.groups?.[0]?.topics[0]?.partitions[0]?.committedOffset
}

test('a commit that cannot be written is forgotten, and the next ones are refused for a while', async () => {
  const { shell, state, failures, pending } = setUp()
  shell.resume()
  await settle()
  expect(await commit(shell, 5)).toBe('NONE')

  state.isDiskFull = true
  expect(await commit(shell, 6)).toBe('COORDINATOR_LOAD_IN_PROGRESS')
  await settle()
  expect(await committed(shell)).toBe(5)
  expect(await commit(shell, 7)).toBe('COORDINATOR_NOT_AVAILABLE')
  expect(state.appendCount).toBe(2)

  state.isDiskFull = false
  pending.find(({ delayMs }) => delayMs === 1_000)?.callback()
  expect(await commit(shell, 8)).toBe('NONE')
  expect(await committed(shell)).toBe(8)
  expect(failures).toEqual([])
})

test('while the disk stays full the pauses grow', async () => {
  const { shell, state, pending } = setUp()
  shell.resume()
  await settle()
  state.isDiskFull = true
  const pausesMs: number[] = []
  for (let attempt = 0; attempt < 7; attempt += 1) {
    const before = pending.length
    expect(await commit(shell, attempt)).toBe('COORDINATOR_LOAD_IN_PROGRESS')
    await settle()
    const pause = pending.slice(before).find(({ delayMs }) => delayMs < 60_000)
    pausesMs.push(pause?.delayMs ?? 0)
    pause?.callback()
  }
  expect(pausesMs).toEqual([1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000])
})

test('groups that cannot be resumed are reported', async () => {
  const { shell, state, failures } = setUp()
  const error = new Error('not created')
  state.created = Promise.reject(error)
  shell.resume()
  await settle()
  expect(failures).toEqual([error])
})

test('a log that is beyond repair is reported', async () => {
  const { shell, state, failures } = setUp()
  shell.resume()
  await settle()
  Object.assign(state, { isDiskFull: true, hasFailed: true })
  await expect(commit(shell, 6)).rejects.toThrow('no space left')
  expect(failures).toHaveLength(1)
})

test.for(['drained', 'replayed'] as const)(
  'groups whose directory fails before their log is %s again are lost, and the broker goes on',
  async (step) => {
    const { shell, state, failures } = setUp()
    shell.resume()
    await settle()
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    Object.assign(state, { isDiskFull: true, [step]: promise })
    expect(await commit(shell, 5)).toBe('COORDINATOR_LOAD_IN_PROGRESS')
    await settle()
    state.isOffline = true
    if (step === 'drained') resolve()
    else reject(new StorageError('the log is closed', { code: 'KAFKA_STORAGE_ERROR' }))
    await settle()
    expect(await commit(shell, 6)).toBe('NOT_COORDINATOR')
    expect(failures).toEqual([])
  },
)

test.for(['open', 'lost'])('groups of a log that is %s in the end are told so', async (end) => {
  const { shell, state, failures } = setUp()
  Object.assign(state, { isOffline: true, isAwaited: true })
  shell.resume()
  await settle()
  expect(await commit(shell, 5)).toBe('COORDINATOR_LOAD_IN_PROGRESS')
  shell.partitionSettled(1)
  await settle()
  expect(await commit(shell, 5)).toBe('COORDINATOR_LOAD_IN_PROGRESS')
  Object.assign(state, { isOffline: end === 'lost', isAwaited: false })
  shell.partitionSettled(0)
  await settle()
  expect(await commit(shell, 5)).toBe(end === 'open' ? 'NONE' : 'NOT_COORDINATOR')
  expect(failures).toEqual([])
})

test('groups that an append under way loses are not loaded any more', async () => {
  const { shell, state, failures } = setUp()
  shell.resume()
  await settle()
  const { promise, resolve } = Promise.withResolvers<void>()
  state.isDiskFull = true
  const refused = commit(shell, 5)
  Object.assign(state, { written: promise, drained: promise.then(() => settle()) })
  const underWay = commit(shell, 6)
  expect(await refused).toBe('COORDINATOR_LOAD_IN_PROGRESS')
  state.isOffline = true
  resolve()
  expect(await underWay).toBe('NOT_COORDINATOR')
  await state.drained
  await settle()
  expect(await commit(shell, 7)).toBe('NOT_COORDINATOR')
  expect(failures).toEqual([])
})

test('the offsets of a topic that is deleted during a pause are gone after it', async () => {
  const { shell, state, pending, failures } = setUp()
  shell.resume()
  await settle()
  expect(await commit(shell, 5)).toBe('NONE')
  state.isDiskFull = true
  expect(await commit(shell, 6)).toBe('COORDINATOR_LOAD_IN_PROGRESS')
  await settle()
  await shell.topicsDeleted([TOPIC])
  expect(await committed(shell)).toBe(-1)
  expect(await shell.mayHaveOffsetsOf(TOPIC)).toBe(true)

  // The disk is still full after the first pause, and has room after the second.
  for (const delayMs of [1_000, 2_000]) {
    pending.find((timer) => timer.delayMs === delayMs)?.callback()
    await settle()
    expect(await committed(shell)).toBe(-1)
    state.isDiskFull = false
  }
  await settle()
  expect(await shell.mayHaveOffsetsOf(TOPIC)).toBe(false)
  expect(state.appendCount).toBe(4)
  expect(await commit(shell, 7)).toBe('NONE')
  expect(await committed(shell)).toBe(7)
  expect(failures).toEqual([])
})

/** Joins the group, which completes at once or once the others have joined, too. */
function join(shell: GroupShell, memberId = '') {
  const request = {
    groupId: 'shop',
    sessionTimeoutMs: 10_000,
    rebalanceTimeoutMs: 10_000,
    memberId,
    groupInstanceId: null,
    protocolType: 'consumer',
    protocols: [{ name: 'range', metadata: new Uint8Array() }],
    reason: null,
  }
  return shell.join(request, { ...CLIENT, apiVersion: 3 }, new Departure())
}

function sync(shell: GroupShell, given: { memberId: string; generationId: number }) {
  const request = {
    ...given,
    groupId: 'shop',
    groupInstanceId: null,
    protocolType: null,
    protocolName: null,
    assignments: [],
  }
  return shell.sync(request, { ...CLIENT, apiVersion: 3 }, new Departure())
}

/** A group of two whose leader is the first to have joined, before its assignment. */
async function groupOfTwo(shell: GroupShell) {
  const alone = await join(shell)
  const leader = alone?.memberId ?? ''
  const joining = join(shell)
  const again = await join(shell, leader)
  const generationId = again?.generationId ?? -1
  return { leader, follower: (await joining)?.memberId ?? '', generationId }
}

test('all who wait for an assignment that cannot be written are told to join again', async () => {
  const { shell, state, failures } = setUp()
  shell.resume()
  await settle()
  const { leader, follower, generationId } = await groupOfTwo(shell)
  const waiting = sync(shell, { memberId: follower, generationId })
  await settle()
  expect(shell.parkedCount).toBe(1)

  state.isDiskFull = true
  const answers = [await sync(shell, { memberId: leader, generationId }), await waiting]
  expect(answers.map((answer) => answer?.errorCode)).toEqual([
    'REBALANCE_IN_PROGRESS',
    'REBALANCE_IN_PROGRESS',
  ])
  expect(shell.parkedCount).toBe(0)
  expect(failures).toEqual([])
})

test('what waits for an append of another request is decided again when that fails', async () => {
  const { shell, state, failures } = setUp()
  shell.resume()
  await settle()
  expect(await commit(shell, 5)).toBe('NONE')
  const { promise, reject } = Promise.withResolvers<void>()
  state.settled = promise
  const heard = shell.heartbeat({
    groupId: 'shop',
    generationId: 1,
    memberId: 'm',
    groupInstanceId: null,
  })
  const read = committed(shell)
  state.settled = Promise.resolve()
  reject(new StorageError('no space left', { code: 'ENOSPC' }))
  expect(await heard).toEqual({ errorCode: 'NONE' })
  expect(await read).not.toBe(6)
  expect(failures).toEqual([])
})

test('groups that are deleted beside one that cannot be are reported as deleted', async () => {
  const { shell, state, failures } = setUp({ partitionCount: 2 })
  shell.resume()
  await settle()
  const [stays, goes] = ['shop', 'shoq']
  expect(offsetsPartition(stays, 2)).not.toBe(offsetsPartition(goes, 2))
  for (const groupId of [stays, goes]) expect(await commit(shell, 5, groupId)).toBe('NONE')
  state.fullPartition = offsetsPartition(stays, 2)
  const { results } = await shell.deleteGroups({ groupsNames: [stays, goes] })
  expect(results.map(({ groupId, errorCode }) => [groupId, errorCode])).toEqual([
    [goes, 'NONE'],
    [stays, 'COORDINATOR_NOT_AVAILABLE'],
  ])
  expect(failures).toEqual([])
})
