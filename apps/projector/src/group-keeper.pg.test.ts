import { OperationalError } from '@fairlead/base'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { deleteRetiredGroups, groupRounds } from './group-keeper.ts'
import type { EventLog } from './log/event-log.ts'
import { promote } from './store/promote.ts'
import { retire } from './store/retire.ts'
import { readVersion } from './store/versions.ts'
import { accountId, accounts, deposited } from './testing/accounts.test-fixture.ts'
import { RebuildFixture, until } from './testing/rebuild.test-fixture.ts'

const SWAP = { lagRecordsMax: 0, acceptParked: false, acceptLostEffects: false, timeoutMs: 9_000 }
const VERSIONS = [1, 2, 3].map((version) => ({ ...accounts, version }))

let fixture: RebuildFixture
let logged: { readonly level: string; readonly groupId?: string; readonly reason?: string }[]

const logger = {
  info: (fields: object) => void logged.push({ level: 'info', ...fields }),
  warn: (fields: object) => void logged.push({ level: 'warn', ...fields }),
}

beforeEach(async () => {
  fixture = await RebuildFixture.open()
  logged = []
  fixture.log.append(0, deposited(accountId(0), 1))
  fixture.start(VERSIONS)
  await fixture.hasState('accounts', 3, 'ready')
  await promote(fixture.db, { ...SWAP, name: 'accounts', version: 3 })
})

afterEach(() => fixture.close())

async function keeperOptions(log: Pick<EventLog, 'deleteGroup'> = fixture.log.open()) {
  const { projectionId } = await readVersion(fixture.db, { name: 'accounts', version: 3 })
  return { db: fixture.db, registered: [{ projectionId }], groupIdPrefix: 'test', log, logger }
}

const groups = () => [...fixture.log.groups].toSorted()

test('groups of retired versions are deleted once nobody is in them, and no others', async () => {
  await retire(fixture.db, { name: 'accounts', version: 1 })
  const nothing = { onAssigned: () => undefined, onError: () => undefined }
  const late = await fixture.log.open().join({
    groupId: 'test-accounts-v1',
    topics: [fixture.log.topic],
    onRevoked: async () => undefined,
    ...nothing,
  })
  const gone = new Set<string>()
  await deleteRetiredGroups(await keeperOptions(), gone)
  expect(groups()).toContain('test-accounts-v1')
  await late.close()
  await until(async () => {
    await deleteRetiredGroups(await keeperOptions(), gone)
    expect(groups()).toEqual(['test-accounts-v2', 'test-accounts-v3'])
  })
  expect(logged).toEqual([{ level: 'info', groupId: 'test-accounts-v1' }])
})

test('a group that is gone is not asked for again', async () => {
  await fixture.stopAll()
  await retire(fixture.db, { name: 'accounts', version: 1 })
  const asked: string[] = []
  const deleteGroup = async (groupId: string) => {
    asked.push(groupId)
    return 'absent' as const
  }
  const options = await keeperOptions({ deleteGroup })
  const gone = new Set<string>()
  await deleteRetiredGroups(options, gone)
  await deleteRetiredGroups(options, gone)
  expect(asked).toEqual(['test-accounts-v1'])
  expect(logged).toEqual([])
})

test('a group that brokers refuse to delete keeps no other one, and is told', async () => {
  await fixture.stopAll()
  await retire(fixture.db, { name: 'accounts', version: 1 })
  await retire(fixture.db, { name: 'accounts', version: 2 })
  const deleteGroup: EventLog['deleteGroup'] = async (groupId) => {
    if (groupId !== 'test-accounts-v1') return fixture.log.open().deleteGroup(groupId)
    throw new OperationalError('not allowed', {
      code: 'GROUP_AUTHORIZATION_FAILED',
      retryable: false,
    })
  }
  const rounds = groupRounds(await keeperOptions({ deleteGroup }))
  await until(() => expect(logged).toHaveLength(2))
  await rounds.stop()
  expect(groups()).toEqual(['test-accounts-v1', 'test-accounts-v3'])
  expect(logged).toEqual([
    { level: 'info', groupId: 'test-accounts-v2' },
    { level: 'warn', reason: 'not allowed' },
  ])
})

test('brokers that are away are not asked for each group in turn', async () => {
  await fixture.stopAll()
  await retire(fixture.db, { name: 'accounts', version: 1 })
  await retire(fixture.db, { name: 'accounts', version: 2 })
  const asked: string[] = []
  const deleteGroup: EventLog['deleteGroup'] = async (groupId) => {
    asked.push(groupId)
    throw new OperationalError('away', { code: 'TIMEOUT', retryable: true })
  }
  await expect(deleteRetiredGroups(await keeperOptions({ deleteGroup }))).rejects.toThrow('away')
  expect(asked).toEqual(['test-accounts-v1'])
})

test('a projector deletes what others have left, as it starts', async () => {
  await fixture.stopAll()
  await retire(fixture.db, { name: 'accounts', version: 1 })
  const { failures } = fixture.start(VERSIONS)
  await until(() => expect(groups()).toEqual(['test-accounts-v2', 'test-accounts-v3']))
  expect(failures).toEqual([])
})
