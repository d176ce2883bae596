import { expect } from 'vitest'
import { waitFor } from '../../support/wait-for.ts'
import type { Driver } from './driver.ts'
import type { ReadRecord } from './operations.ts'
import { numberOf, numbered } from './records.ts'
import type { ScenarioContext } from './scenario-context.ts'

const PARTITIONS = [0, 1, 2, 3, 4, 5] as const
const RECORDS_PER_PARTITION = 10
const POLL_MS = 300
const REBALANCE_TIMEOUT_MS = 60_000
/** Above the session timeout of the drivers, which is 15 s: a busy machine starts a JVM in 8. */
const LONGER_THAN_SESSION_MS = 17_000

/** Two members divide the partitions, commit, and a third goes on where they were. */
export function dividesPartitions(context: ScenarioContext): Promise<void> {
  return divides(context, { topic: 'divided', cooperative: false })
}

/** The same with the cooperative protocol: a member keeps what it owns over a rebalance. */
export function dividesCooperatively(context: ScenarioContext): Promise<void> {
  return divides(context, { topic: 'divided-cooperatively', cooperative: true })
}

async function divides(
  context: ScenarioContext,
  { topic, cooperative }: { readonly topic: string; readonly cooperative: boolean },
): Promise<void> {
  await context.createTopic(topic, PARTITIONS.length)
  const producer = context.driver()
  await fill(producer, topic, 0)
  const join = { group: topic, topic, instanceId: null, cooperative }

  const first = await Member.join(context.driver(), join)
  await first.pollUntil('all partitions', () => first.assignment.length === PARTITIONS.length)
  await first.pollUntil('the records', () => first.read.length === totalRecords(1))
  await first.driver.ask('commit', {})

  const second = await Member.join(context.driver(), join)
  await together('partitions for both', [first, second], () => areDivided(first, second))
  await fill(producer, topic, 1)
  const seen = () => first.read.length + second.read.length
  await together('the new records', [first, second], () => seen() >= totalRecords(2))
  expectEachOnce([...first.read, ...second.read], 2)
  await first.driver.ask('commit', {})
  await second.driver.ask('commit', {})

  await first.driver.ask('leave', {})
  await second.pollUntil('all partitions', () => second.assignment.length === PARTITIONS.length)
  await second.driver.ask('leave', {})
  const third = await Member.join(context.driver(), join)
  await third.pollUntil('all partitions', () => third.assignment.length === PARTITIONS.length)
  await fill(producer, topic, 2)
  await third.pollUntil('the newest records', () => third.read.length >= totalRecords(1))
  expectEachOnce([...first.read, ...second.read, ...third.read], 3)
  await third.driver.ask('leave', {})
}

/** A static member that comes back within its session takes up its partitions; nobody else notices. */
export async function keepsStaticMembers(context: ScenarioContext): Promise<void> {
  const topic = 'static'
  await context.createTopic(topic, PARTITIONS.length)
  await fill(context.driver(), topic, 0)
  const join = { group: topic, topic, cooperative: false }
  const lost = await Member.join(context.driver(), { ...join, instanceId: 'a' })
  const stays = await Member.join(context.driver(), { ...join, instanceId: 'b' })
  await together('partitions for both', [lost, stays], () => areDivided(lost, stays))
  const kept = stays.assignment
  const free = lost.assignment
  await lost.driver[Symbol.asyncDispose]()

  const back = await Member.join(context.driver(), { ...join, instanceId: 'a' })
  await together('its partitions', [back, stays], () => {
    expect(stays.assignment).toEqual(kept)
    return back.assignment.length > 0
  })
  expect(back.assignment).toEqual(free)
  const quietUntilMs = performance.now() + LONGER_THAN_SESSION_MS
  await together('a session timeout', [back, stays], () => {
    expect(stays.assignment).toEqual(kept)
    return performance.now() > quietUntilMs
  })
  await Promise.all([back, stays].map((member) => member.driver.ask('leave', {})))
}

type Join = Parameters<Driver['ask']>[1] & {
  readonly group: string
  readonly topic: string
  readonly instanceId: string | null
  readonly cooperative: boolean
}

/** A member of a group, in a driver of its own, and what it has read. */
class Member {
  readonly driver: Driver
  readonly read: ReadRecord[] = []
  assignment: readonly number[] = []

  static async join(driver: Driver, request: Join): Promise<Member> {
    await driver.ask('join', request)
    return new Member(driver)
  }

  private constructor(driver: Driver) {
    this.driver = driver
  }

  async poll(): Promise<void> {
    const { records, assignment } = await this.driver.ask('poll', { timeoutMs: POLL_MS })
    this.read.push(...records)
    this.assignment = assignment
  }

  pollUntil(what: string, condition: () => boolean): Promise<void> {
    return together(what, [this], condition)
  }
}

/** Members must be polled at the same time: a rebalance waits for all of them. */
async function together(
  what: string,
  members: readonly Member[],
  condition: () => boolean,
): Promise<void> {
  await waitFor(what, REBALANCE_TIMEOUT_MS, async () => {
    await Promise.all(members.map((member) => member.poll()))
    return condition()
  })
}

function areDivided(first: Member, second: Member): boolean {
  const isShared = first.assignment.length > 0 && second.assignment.length > 0
  const assigned = [...first.assignment, ...second.assignment].sort((a, b) => a - b)
  return isShared && assigned.join() === PARTITIONS.join()
}

async function fill(driver: Driver, topic: string, round: number): Promise<void> {
  for (const partition of PARTITIONS) {
    const first = (round * PARTITIONS.length + partition) * RECORDS_PER_PARTITION
    const records = numbered(RECORDS_PER_PARTITION, 'filled', first)
    const request = { topic, partition, compression: 'none', idempotent: false } as const
    await driver.ask('produce', { ...request, records })
  }
}

function totalRecords(rounds: number): number {
  return rounds * PARTITIONS.length * RECORDS_PER_PARTITION
}

function expectEachOnce(read: readonly ReadRecord[], rounds: number): void {
  const numbers = read.map(numberOf).sort((a, b) => a - b)
  expect(numbers).toEqual(Array.from({ length: totalRecords(rounds) }, (_, number) => number))
}
