import type { FoldProjection } from '@fairlead/projection'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { accountId, accounts, deposited, undecodable } from './testing/accounts.test-fixture.ts'
import { OneTopicFixture, until } from './testing/one-topic.test-fixture.ts'

let fixture: OneTopicFixture

beforeEach(async () => {
  fixture = await OneTopicFixture.open()
})

afterEach(() => fixture.close())

test('a key that is parked is told with its cause, what comes next, and where to look, and not by its name', async () => {
  const told: object[] = []
  const debugged: object[] = []
  const silent = (): void => undefined
  const logger = {
    debug: (fields: object) => void debugged.push(fields),
    info: silent,
    warn: silent,
    error: (fields: object) => void told.push(fields),
  }
  fixture.log.append(
    0,
    deposited(accountId(0), 0),
    deposited(accountId(0), 1),
    undecodable(accountId(1)),
    deposited('not-a-uuid', 1),
  )
  const parkedRetry = { retries: 5, baseMs: 60_000, maxMs: 3_600_000 }
  fixture.start([accounts], { logger, parkedRetry })
  await until(async () => expect(await fixture.nextOffset()).toBe(4))
  const mayPass = expect.stringMatching(
    /by itself, within 60000 ms and up to 5 times; then it waits/,
  )
  const where = { projection: 'accounts v1', partition: 0 }
  const look = expect.stringMatching(
    /^fairlead dlq list accounts --version 1 --fingerprint [0-9a-f]{16}$/,
  )
  // What the database shows, the process tells a moment later.
  await until(() => expect(told.filter((fields) => 'stage' in fields)).toHaveLength(3))
  expect(told.filter((fields) => 'stage' in fields)).toMatchObject([
    { ...where, offset: 0, stage: 'handle', failureClass: 'code', next: mayPass, look },
    { ...where, offset: 2, failureClass: 'decode', next: expect.stringMatching(/^it waits/), look },
    { ...where, offset: 3, failureClass: 'data', next: mayPass, look },
  ])
  expect(JSON.stringify(told)).not.toContain(accountId(0))
  expect(debugged).toContainEqual(expect.objectContaining({ key: accountId(0) }))
})

test('events that are skipped are told once for a batch, with their cause and how many they are', async () => {
  const told: object[] = []
  const silent = (): void => undefined
  const warn = (fields: object) => void told.push(fields)
  const skipping: FoldProjection = { ...accounts, classify: () => 'skip' }
  fixture.log.append(0, ...[1, 0, 0].map((amount, index) => deposited(accountId(index), amount)))
  fixture.start([skipping], { logger: { debug: silent, info: silent, warn, error: silent } })
  await until(async () => expect(await fixture.nextOffset()).toBe(3))
  expect(await fixture.letters()).toEqual([])
  await until(() => expect(told).not.toEqual([]))
  expect(told).toMatchObject([
    {
      projection: 'accounts v1',
      partition: 0,
      offset: 1,
      count: 2,
      failureClass: 'code',
      errorClass: 'RangeError',
      reason: 'nothing deposited',
    },
  ])
})
