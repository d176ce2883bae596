import { describe, expect, test } from 'vitest'
import { runAgainst } from '../command/run-against.test-fixture.ts'
import { REBUILD_PROJECTION } from './rebuild-projection.ts'

test('a promotion is not promised by who does not wait for the rebuild', async () => {
  const started = () => ({ body: { jobId: '1', version: 2 } })
  const run = await runAgainst(started, REBUILD_PROJECTION, 'orders', '--promote', '--no-wait')
  expect(run).toMatchObject({ exitCode: 2, requests: [] })
  expect(run.stderr).toMatch(/leave --no-wait out/)
})

test.for([
  [{ keys: 2, rows: 2 }, 'the rows are folded anew'],
  [{ keys: 1, rows: 0 }, 'the key has no row: no event in the log leaves one'],
  [{ keys: 3, rows: 1 }, '2 of 3 keys have no row: no event in the log leaves one'],
] as const)('of %o rows that were folded anew it tells which there are', async ([result, text]) => {
  const done = { state: 'done', phase: null, done: 9, total: 9, eventsPerSecond: 0, parked: 0 }
  const answer = (request: string) => ({
    body: request.startsWith('POST')
      ? { jobId: '7', version: 1 }
      : { ...done, eta: null, reason: null, result },
  })
  const run = await runAgainst(answer, REBUILD_PROJECTION, 'orders', '--key', 'o1', '-o', 'table')
  expect([run.exitCode, run.stdout.trimEnd().split('\n').at(-1)]).toEqual([0, text])
})

describe('a version that is shown once it has caught up', () => {
  const progress = { phase: 'ready', done: 9, total: 9, eventsPerSecond: 0, eta: null, parked: 0 }
  const equal = { comparedKeys: 5, rowCount: 5, liveRowCount: 4, logKeyCount: 5, failingKeys: 0 }
  const promoted = { live: 2, previous: 1, effectsPending: 0, viewsHeld: 0, durationMs: 3 }
  const found = { ...equal, missing: [], surplus: [], different: [], isEqual: true, promoted }
  const done = { state: 'done', code: null, reason: null }
  const bodyOf = (request: string, job: object): object => {
    if (request.startsWith('GET /projection-jobs/8')) return { ...progress, ...job }
    if (request.startsWith('GET')) return { ...progress, state: 'ready', reason: null }
    if (request.includes('verify=true')) return { jobId: '8', version: 2 }
    return request.includes('/promote') ? promoted : { jobId: '7', version: 2 }
  }
  const rebuild = (job: object, ...argv: readonly string[]) =>
    runAgainst(
      (request) => ({ body: bodyOf(request, job) }),
      REBUILD_PROJECTION,
      'orders',
      '--promote',
      '-o',
      'table',
      ...argv,
    )
  const orders = ({ requests }: { readonly requests: readonly string[] }) =>
    requests.flatMap((request) => /^POST \/projections\/orders\/(.*)/.exec(request)?.[1] ?? [])

  test('is compared with the log first, by the same order', async () => {
    const run = await rebuild({ ...done, result: found }, '--accept-missing-history')
    expect([run.exitCode, orders(run)]).toEqual([
      0,
      [
        'rebuild?acceptMissingHistory=true',
        'promote?version=2&verify=true&acceptMissingHistory=true',
      ],
    ])
    expect(run.stdout).toContain('5 keys compared: all equal')
    expect(run.stdout).toContain('5 rows, 4 in the live version; the log has events of 5\n')
    expect(run.stdout).toContain('v2 is live, after v1 (3 ms)\n')
  })

  test('is not shown when rows differ', async () => {
    const result = { ...found, isEqual: false, different: ['o1'], promoted: null }
    const run = await rebuild({ ...done, result })
    expect([run.exitCode, orders(run)]).toEqual([10, ['rebuild', 'promote?version=2&verify=true']])
    expect(run.stdout).toMatch(/they differ[^]*different: o1/)
  })

  test('is not shown when it has rows of no event', async () => {
    const result = { ...found, isEqual: false, rowCount: 6, promoted: null }
    const run = await rebuild({ ...done, result })
    expect(run.exitCode).toBe(10)
    expect(run.stdout).toContain('the log has events of 5: there are rows of no event')
  })

  test('is not shown when its rows are equal, and it is refused', async () => {
    const result = { ...found, promoted: undefined }
    const refused = { state: 'failed', code: 'PARKED_KEYS', reason: '2 keys are parked', result }
    const run = await rebuild(refused)
    expect([run.exitCode, run.stdout]).toEqual([1, expect.not.stringContaining('is live')])
    expect(run.stderr).toMatch(/2 keys are parked/)
  })

  test('is shown with the counts alone when handlers in SQL made it', async () => {
    const tables = [{ name: 'total', rowCount: 3, liveRowCount: 2 }]
    const run = await rebuild({ ...done, result: { ...found, isEqual: null, tables } })
    expect(run.exitCode).toBe(0)
    expect(run.stdout).toMatch(/^not compared: what rows .* is not known\ntotal: 3 rows, 2 in/m)
  })

  test('is shown at once when that is asked for', async () => {
    const run = await rebuild({ ...done, result: found }, '--no-verify')
    expect([run.exitCode, orders(run)]).toEqual([0, ['rebuild', 'promote?version=2']])
  })
})

test.for([
  { argv: [], isLines: true },
  { argv: ['-o', 'jsonl'], isLines: true },
  { argv: ['-o', 'json'], isLines: false },
  { argv: ['-o', 'table'], isLines: false },
])(
  'where nobody watches, progress and result are lines of JSON with $argv: $isLines',
  async ({ argv, isLines }) => {
    const job = { phase: null, done: 9, total: 9, eventsPerSecond: 0, eta: null, parked: 0 }
    const result = { keys: 1, rows: 1 }
    const answer = (request: string) => ({
      body: request.startsWith('POST')
        ? { jobId: '7', version: 1 }
        : { ...job, state: 'done', reason: null, result },
    })
    const run = await runAgainst(answer, REBUILD_PROJECTION, 'orders', '--key', 'o1', ...argv)
    const progress = `{"phase":null,"done":9,"total":9`
    const lines = run.stdout.trimEnd().split('\n')
    expect(lines.some((line) => line.startsWith(progress))).toBe(isLines)
    expect(run.stderr.startsWith(progress)).toBe(!isLines)
    const parsed = isLines ? lines.map((line): unknown => JSON.parse(line)) : [job, { result }]
    expect(parsed).toMatchObject([job, { result }])
  },
)

test('a rebuild is watched on while the projector is restarted', async () => {
  const progress = { phase: 'loading', done: 1, total: 9, eventsPerSecond: 0, eta: null, parked: 0 }
  let lookCount = 0
  const answer = (request: string) => {
    if (request.startsWith('POST')) return { body: { jobId: '7', version: 2 } }
    lookCount += 1
    const refused = { cause: { code: 'ECONNREFUSED' } }
    if (lookCount === 2) throw new TypeError('fetch failed', refused)
    if (lookCount === 3) return { status: 503, body: { code: 'UNAVAILABLE', message: 'away' } }
    const state = lookCount === 4 ? 'ready' : 'building'
    return { body: { ...progress, state, code: null, reason: null } }
  }
  const run = await runAgainst(answer, REBUILD_PROJECTION, 'orders')
  expect(run.exitCode, run.stderr).toBe(0)
  expect(lookCount).toBe(4)
})
