import type { SqlProjection } from '@fairlead/projection'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { EventLog, JoinOptions } from './log/event-log.ts'
import { deposited, totals } from './testing/accounts.test-fixture.ts'
import { OneTopicFixture, TOPIC, errorsOf, until } from './testing/one-topic.test-fixture.ts'

let fixture: OneTopicFixture

beforeEach(async () => {
  fixture = await OneTopicFixture.open()
})

afterEach(() => fixture.close())

/** One effect for each event, of which the first takes until `end`. */
function effective() {
  const had: number[] = []
  const first = Promise.withResolvers<void>()
  const projection: SqlProjection = {
    ...totals,
    on: {
      Deposited: async ({ source }, { liveOnly }) => {
        liveOnly(async () => {
          had.push(source.offset)
          if (source.offset === 0) await first.promise
        })
      },
    },
  }
  return { had, projection, end: () => first.resolve() }
}

/** The log, and what tells the member what becomes of its partition. */
function joined() {
  const open = fixture.log.open()
  const member = Promise.withResolvers<JoinOptions>()
  const log: EventLog = {
    ...open,
    join: (options) => {
      member.resolve(options)
      return open.join(options)
    },
  }
  return { log, member: member.promise }
}

const PARTITION = [{ topic: TOPIC, partition: 0 }]

test('effects that outlive the partition are given up before others have it', async () => {
  const { had, projection, end } = effective()
  fixture.log.append(0, ...[1, 2, 3].map((amount) => deposited('monday', amount)))
  const { metrics } = fixture.start([projection])
  await until(() => expect(had).toEqual([0]))
  await fixture.log.rebalance()
  fixture.log.append(0, deposited('monday', 4))
  await until(() => expect(had).toContain(3))
  end()
  await fixture.log.rebalance()
  expect(had).toEqual([0, 3])
  // The one that had begun, and the two that had not.
  expect(await errorsOf(metrics, 'code')).toBe(2)
})

test('effects that end soon are had by who gives the partition up', async () => {
  const { had, projection, end } = effective()
  const { log, member } = joined()
  fixture.log.append(0, ...[1, 2, 3].map((amount) => deposited('monday', amount)))
  const { metrics } = fixture.start([projection], { log })
  await until(() => expect(had).toEqual([0]))
  const revoked = (await member).onRevoked(PARTITION, { lost: false })
  end()
  await revoked
  expect(had).toEqual([0, 1, 2])
  expect(await errorsOf(metrics, 'code')).toBe(0)
})

test('where others have the partition already no effect is begun', async () => {
  const { had, projection, end } = effective()
  const { log, member } = joined()
  fixture.log.append(0, ...[1, 2, 3].map((amount) => deposited('monday', amount)))
  const { metrics } = fixture.start([projection], { log })
  await until(() => expect(had).toEqual([0]))
  const revoked = (await member).onRevoked(PARTITION, { lost: true })
  end()
  await revoked
  expect(had).toEqual([0])
  expect(await errorsOf(metrics, 'code')).toBe(2)
})

test('an event that fails behind its liveOnly has no effect, and all others of its batch have theirs once', async () => {
  const had: number[] = []
  const projection: SqlProjection = {
    ...totals,
    on: {
      Deposited: async (event, context) => {
        context.liveOnly(async () => void had.push(event.source.offset))
        await totals.on['Deposited']?.(event, context)
      },
    },
  }
  // The handler throws at the one, and the table refuses the other.
  const failing = [deposited('tuesday', 0), deposited('thursday', -5)]
  fixture.log.append(0, deposited('monday', 1), ...failing, deposited('monday', 2))
  fixture.start([projection])
  await until(async () => expect(await fixture.nextOffset()).toBe(4))
  await fixture.stopAll()
  expect(had).toEqual([0, 3])
})
