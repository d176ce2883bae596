import { inspect } from 'node:util'
import { sql } from 'kysely'
import type { AnyEvent, Projection, SqlProjection } from '@fairlead/projection'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { accounts, deposited, totals } from './testing/accounts.test-fixture.ts'
import { OneTopicFixture, until } from './testing/one-topic.test-fixture.ts'

const PERSON = 'ana@example.org'

let fixture: OneTopicFixture

beforeEach(async () => {
  fixture = await OneTopicFixture.open()
})

afterEach(() => fixture.close())

/** Everything that a projector logs, as a logger may show it. */
class Log {
  text = ''
  readonly logger = {
    debug: () => undefined,
    info: (fields: object) => this.#add(fields),
    warn: (fields: object) => this.#add(fields),
    error: (fields: object) => this.#add(fields),
  }

  #add(fields: object): void {
    this.text += `${inspect(fields, { depth: 8, maxStringLength: null })}\n`
  }
}

/** Its events have personal data in `accountId`. */
function ofPeople<P extends Projection>(projection: P): P {
  const personal = { name: 'accountId', type: 'string', pii: { subject: 'accountId' } } as const
  const definition = {
    type: 'record',
    name: 'Deposited',
    fields: [personal, { name: 'amount', type: 'int' }],
  } as const
  const sources = projection.sources.map((source) => ({
    ...source,
    definitions: { ...source.definitions, Deposited: definition },
  }))
  return { ...projection, sources }
}

const personIn = ({ data }: AnyEvent): string => (data as { readonly accountId: string }).accountId

test('an event that is tried again, and one that the table refuses, are told without what is personal', async () => {
  const log = new Log()
  const projection = {
    ...ofPeople(accounts),
    retry: { retries: 1, baseMs: 1, maxMs: 1 },
    classify: (_error: unknown, event: AnyEvent) => {
      throw new Error(`nothing is known of ${personIn(event)}`)
    },
  }
  // No uuid, which the key of the table is.
  fixture.log.append(0, deposited(PERSON, 1))
  fixture.start([projection], { logger: log.logger })
  await until(async () => expect(await fixture.nextOffset()).toBe(1))
  // What the database shows, the process tells a moment later.
  await until(() =>
    expect(log.text).toMatch(/the event at offset 0 failed: .* type uuid: "\[redacted\]"/),
  )
  expect(log.text).toContain('nothing is known of [redacted]')
  expect(log.text).not.toContain(PERSON)

  await sql`update evt.parked_key set drain_request = gen_random_uuid(),
    drain_requested_at = clock_timestamp(), drain_actor = 'ana',
    drain_reason = 'mended'`.execute(fixture.db)
  await until(() => expect(log.text).toContain('failedCount: 1'))
  expect(log.text).not.toContain(PERSON)
  // Nor the bytes of a record.
  expect(log.text).not.toContain('Buffer')
})

test('an event that stops its projection, and a service that is away, show nobody in health', async () => {
  const log = new Log()
  let fails = (event: AnyEvent): Error =>
    new Error(`no address of ${personIn(event)}`, {
      cause: Object.assign(new Error('connect'), { code: 'ECONNREFUSED' }),
    })
  const asking: SqlProjection = {
    ...ofPeople(totals),
    classify: () => 'stop',
    on: {
      Deposited: (event) => {
        throw fails(event)
      },
    },
  }
  fixture.log.append(0, deposited(PERSON, 1))
  const { health } = fixture.start([asking], { logger: log.logger })
  const state = () => health.get('projection totals v1')
  await until(() => expect(state()).toBe('partition 0 paused: no address of [redacted]'))
  fails = (event) => new RangeError(`${personIn(event)} is too much`)
  await until(() =>
    expect(state()).toBe(
      'partition 0 faulted: the event at offset 0 failed: [redacted] is too much',
    ),
  )
  expect(log.text).not.toContain(PERSON)
})

test('an effect that fails is told without what is personal', async () => {
  const log = new Log()
  const mailing: SqlProjection = {
    ...ofPeople(totals),
    on: {
      Deposited: (event, { liveOnly }) => {
        liveOnly(() => Promise.reject(new Error(`no mail to ${personIn(event)}`)))
        return Promise.resolve()
      },
    },
  }
  fixture.log.append(0, deposited(PERSON, 1))
  fixture.start([mailing], { logger: log.logger })
  await until(() => expect(log.text).toContain('no mail to [redacted]'))
  expect(log.text).not.toContain(PERSON)
})
