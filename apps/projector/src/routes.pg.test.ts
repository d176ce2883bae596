import { OperationalError } from '@fairlead/base'
import { CutOffProxy, type TestDatabase, testDatabase } from '@fairlead/testing'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { accountId, accounts, deposited } from './testing/accounts.test-fixture.ts'
import { MemoryLog } from './testing/memory-log.test-fixture.ts'
import { type TestProjector, startProjector } from './testing/projector.test-fixture.ts'
import { serveRoutes } from './testing/routes.test-fixture.ts'
import { until } from './testing/until.test-fixture.ts'

let database: TestDatabase
let log: MemoryLog
let running: TestProjector
let http: ReturnType<typeof serveRoutes>

beforeEach(async () => {
  database = await testDatabase()
  log = new MemoryLog('outbox.event.account', 1)
  log.append(0, deposited(accountId(0), 5), deposited(accountId(1), 0), deposited(accountId(1), 1))
  await serve([accounts])
  await caughtUp(1)
})

afterEach(async () => {
  await http.close()
  await running.projector.stop()
  await database.drop()
})

async function serve(
  projections: Parameters<typeof startProjector>[2],
  { url = database.url, eventLog = log.open() } = {},
): Promise<void> {
  running = startProjector(url, log, projections)
  http = serveRoutes(running, eventLog)
  await http.ready()
}

async function get(url: string): Promise<{ status: number; body: unknown }> {
  const response = await http.inject({ method: 'GET', url })
  return { status: response.statusCode, body: response.json() }
}

const caughtUp = (version: number): Promise<void> =>
  until(async () => {
    const { body } = await get('/projections/accounts')
    const state = expect.objectContaining({ version, lagRecords: 0 })
    expect(body).toEqual({ projections: expect.arrayContaining([state]) })
  })

test('projections are listed with their partitions', async () => {
  const { body } = await get('/projections')
  expect(body).toMatchObject({
    projections: [
      {
        name: 'accounts',
        version: 1,
        live: true,
        state: 'running',
        lagRecords: 0,
        parkedKeys: 1,
        duplicatesKnownBy: ['offset', 'position'],
        partitions: [{ partition: 0, nextOffset: 3, highWatermark: 3, state: 'running' }],
      },
    ],
  })
  expect(await get('/projections/nothing')).toMatchObject({ status: 404 })
})

test('metrics tell position, lag, states and letters', async () => {
  // What the database shows, the process counts a moment later.
  let payload = ''
  await until(async () => {
    ;({ payload } = await http.inject({ method: 'GET', url: '/metrics' }))
    expect(payload).toMatch(/^projection_events_total.* [1-9]/m)
  })
  const labels = '{projection="accounts",version="1",topic="outbox.event.account",partition="0"}'
  expect(payload).toContain(`projection_position${labels} 3`)
  expect(payload).toContain(`projection_lag_records${labels} 0`)
  expect(payload).toContain(`projection_state${labels.slice(0, -1)},state="running"} 1`)
  expect(payload).toContain(
    'projection_events_total{projection="accounts",version="1",result="applied"} 1',
  )
  expect(payload).toContain('dlq_depth{topic="outbox.event.account"} 2')
  expect(payload).toContain(
    'projection_dead_letters{projection="accounts",version="1",kind="failed",error_class="RangeError"} 1',
  )
  expect(payload).toMatch(
    /projection_oldest_parked_age_seconds{projection="accounts",version="1"} \d/,
  )
})

test('a later version is shown once it is promoted, and the earlier one again after that', async () => {
  await http.close()
  await running.projector.stop()
  await serve([{ ...accounts, version: 2 }])
  await caughtUp(2)
  const promote = async (version: number) => {
    const url = `/projections/accounts/promote?version=${version}&acceptParked=true`
    return (await http.inject({ method: 'POST', url })).statusCode
  }
  const live = async () => {
    const { body } = await get('/projections/accounts')
    const { projections } = body as { projections: { version: number; live: boolean }[] }
    return projections.filter((projection) => projection.live).map(({ version }) => version)
  }

  expect(await live()).toEqual([1])
  expect(await promote(2)).toBe(200)
  expect(await live()).toEqual([2])
  expect(await promote(1)).toBe(200)
  expect(await live()).toEqual([1])
  expect(await promote(3)).toBe(404)
})

test('a version is shown behind its verification, by a job', async () => {
  await http.close()
  await running.projector.stop()
  await serve([{ ...accounts, version: 2 }])
  await caughtUp(2)
  const promote = async (query: string) => {
    const url = `/projections/accounts/promote?version=2&acceptParked=true${query}`
    const answer = await http.inject({ method: 'POST', url })
    return { status: answer.statusCode, body: answer.json<unknown>() }
  }
  expect(await promote('&sample=5')).toMatchObject({ status: 400, body: { code: 'BAD_ORDER' } })
  const { status, body } = await promote('&verify=true&sample=5')
  expect(status).toBe(202)
  const { jobId } = body as { readonly jobId: string }
  await until(async () =>
    expect(await get(`/projection-jobs/${jobId}`)).toMatchObject({
      body: {
        state: 'done',
        result: { isEqual: true, comparedKeys: 1, promoted: { live: 2, previous: 1 } },
      },
    }),
  )
})

test('the lag counts partitions that nobody has begun', async () => {
  log.grow(2)
  log.append(1, deposited(accountId(0), 1), deposited(accountId(0), 2))
  const { body } = await get('/projections/accounts/lag')
  const begun = { topic: log.topic, partition: 0, nextOffset: 3, endOffset: 3, lagRecords: 0 }
  const notBegun = { topic: log.topic, partition: 1, nextOffset: 0, endOffset: 2, lagRecords: 2 }
  expect(body).toMatchObject({
    versions: [{ version: 1, state: 'live', lagRecords: 2, partitions: [begun, notBegun] }],
  })
})

test('rows of some keys as of a moment are no order', async () => {
  const answer = await http.inject({
    method: 'POST',
    url: '/projections/accounts/rebuild?until=2026-01-31T12:00:00Z',
    payload: { keys: [accountId(0)] },
  })
  expect([answer.statusCode, answer.json()]).toMatchObject([400, { code: 'BAD_ORDER' }])
})

test('a log or a database that is away is no failure of the projector', async () => {
  const proxy = await CutOffProxy.inFrontOf(database.url)
  await http.close()
  await running.projector.stop()
  const away = () =>
    Promise.reject(new OperationalError('no broker answers', { code: 'NETWORK', retryable: true }))
  await serve([accounts], { url: proxy.url, eventLog: { ...log.open(), endOffset: away } })
  await caughtUp(1)
  expect(await get('/projections/accounts/lag')).toEqual({
    status: 503,
    body: { code: 'UNAVAILABLE', message: 'no broker answers' },
  })

  proxy.down()
  const unavailable = { status: 503, body: { code: 'UNAVAILABLE' } }
  for (const path of ['', '/accounts', '/accounts/lag', '/accounts/rebuild']) {
    expect(await get(`/projections${path}`), path).toMatchObject(unavailable)
  }
  expect(await get('/projection-jobs/1')).toMatchObject(unavailable)
  expect(await get('/tenants')).toMatchObject(unavailable)
  await http.close()
  await running.projector.stop()
  await proxy.close()
})

test('as many keys are taken as may be folded anew, however long they are', async () => {
  const keys = Array.from({ length: 10_000 }, (_, index) => `${index}`.padEnd(300, '-'))
  const order = { method: 'POST', url: '/projections/accounts/rebuild', payload: { keys } } as const
  expect((await http.inject(order)).statusCode).toBe(202)
})

test('an order for a version whose code is elsewhere is refused: nobody here would carry it out', async () => {
  await running.projector.stop()
  await serve([accounts, { ...accounts, version: 2 }])
  await caughtUp(2)
  await running.projector.stop()
  await serve([accounts])
  await caughtUp(1)
  for (const url of [
    'rebuild?version=2',
    'rebuild?version=2&until=2026-01-31',
    'verify?version=2',
    'promote?version=2&verify=true',
  ]) {
    const response = await http.inject({ method: 'POST', url: `/projections/accounts/${url}` })
    expect([url, response.statusCode, response.json()]).toEqual([
      url,
      404,
      {
        code: 'UNKNOWN_VERSION',
        message: 'this projector does not have the code of accounts v2: ask one that has',
      },
    ])
  }
  const { body } = await get('/projections/accounts/rebuild?version=2')
  expect(body).toMatchObject({ state: 'ready' })
})

async function fillMoment(): Promise<void> {
  const moment = new Date().toISOString()
  const url = `/projections/accounts/rebuild?until=${encodeURIComponent(moment)}`
  expect((await http.inject({ method: 'POST', url })).statusCode).toBe(202)
  await until(async () => {
    const { body } = await get('/projections/accounts/rebuild?version=-1')
    expect(body).toMatchObject({ state: 'ready' })
  })
}

test('what nothing follows the log for has no lag, and is not paused', async () => {
  await fillMoment()
  const { body } = await get('/projections/accounts/lag')
  expect(body).toMatchObject({ versions: [{ version: 1 }] })
  const paused = await http.inject({ method: 'POST', url: '/projections/accounts/pause' })
  expect(paused.json()).toEqual({ paused: [1] })
})

test('a throw-away version that was retired is not listed: there may be one of each day', async () => {
  await fillMoment()
  const listed = { projections: [{ version: -1, state: 'ready' }, { version: 1 }] }
  expect((await get('/projections')).body).toMatchObject(listed)
  const retire = { method: 'POST', url: '/projections/accounts/retire?version=-1' } as const
  expect((await http.inject(retire)).statusCode).toBe(200)
  expect((await get('/projections')).body).toMatchObject({ projections: [{ version: 1 }] })
  // Its number is not used again.
  expect((await http.inject(retire)).json()).toMatchObject({ retired: -1 })
})

test('a projection that there is not has a code that says so', async () => {
  expect(await get('/projections/nope')).toMatchObject({
    status: 404,
    body: { code: 'UNKNOWN_PROJECTION' },
  })
})

test('a projector that stops says so to who still asks', async () => {
  await running.projector.stop()
  const stopping = {
    status: 503,
    body: { code: 'UNAVAILABLE', message: 'the projector is stopping: ask another one, or later' },
  }
  expect(await get('/projections')).toEqual(stopping)
  expect(await get('/projections/accounts/lag')).toEqual(stopping)
  expect(await get('/projections/accounts/rebuild?version=x')).toMatchObject({ status: 400 })
})
