import { expect, test } from 'vitest'
import { runAgainst } from '../command/run-against.test-fixture.ts'
import { LIST_REPLAYS } from './list-replays.ts'
import { REPLAY_LETTERS } from './order-letters.ts'

const REQUEST = '0f8fad5b-d9cb-469f-a165-70867728950e'
const LOOK = `GET /dead-letters/replays/${REQUEST}`
const progress = {
  request: REQUEST,
  at: '2026-01-31T12:00:00.000Z',
  projection: 'orders',
  version: 3,
  pausedBy: null as string | null,
  pendingKeys: 2,
  failedKeys: 0,
  replayed: 0,
}
const over = { ...progress, pendingKeys: 0, replayed: 5 }
const refusal = { status: 503, body: { message: 'the database is away' } }

/** A projector that answers what `looks` has, one by one, of a version that is as `version` says. */
function projector(looks: readonly (typeof progress | undefined)[], version: object = {}) {
  const rest = [...looks]
  return (request: string) => {
    if (request.startsWith('POST')) return { body: { request: REQUEST, keys: 2 } }
    if (request === LOOK) {
      const body = rest.shift()
      return body === undefined ? refusal : { body }
    }
    const ofVersion = { version: 3, state: 'running', reason: null, pausedBy: null, ...version }
    return { body: { projections: [{ ...ofVersion, version: 2, reason: 'other' }, ofVersion] } }
  }
}

const replay = (answer: ReturnType<typeof projector>, ...argv: readonly string[]) =>
  runAgainst(answer, REPLAY_LETTERS, 'orders', '--all', ...argv)

test('a replay that waits for a version which is paused says so, and who paused it', async () => {
  const run = await replay(projector([progress, over], { state: 'paused', pausedBy: 'ana' }))
  expect(run.stderr).toBe(
    'orders v3 is paused by ana: the replay waits for "fairlead projection resume orders"\n',
  )
  expect(run.exitCode).toBe(0)
  expect(run.stdout).toContain(`request: ${REQUEST}\nkeys: 2\nletters replayed: 5\n`)
})

test('a replay of a version that stands still says why', async () => {
  const faulted = { state: 'faulted', reason: 'partition 0: no table' }
  const { stderr } = await replay(projector([progress, over], faulted))
  expect(stderr).toBe('orders v3 is faulted: partition 0: no table\n')
})

test('a replay that nothing hinders is waited for in silence', async () => {
  expect(await replay(projector([progress, over]))).toMatchObject({ exitCode: 0, stderr: '' })
})

test('a replay that cannot be watched any more is not lost: its request is named', async () => {
  const run = await replay(projector([progress, undefined]))
  expect(run.exitCode).toBe(1)
  expect(run.stderr).toContain(`"fairlead dlq replays --request ${REQUEST}"`)
})

test('a replay that is not waited for says by which request it can be looked at', async () => {
  const { exitCode, stdout } = await replay(
    projector([{ ...progress, pausedBy: 'ana' }]),
    '--no-wait',
  )
  expect([exitCode, stdout.split('\n').slice(0, 2)]).toEqual([
    0,
    [`request: ${REQUEST}`, 'paused by: ana'],
  ])
})

test('replays are listed with their states, or one of them is shown', async () => {
  const replays = [{ ...progress, pausedBy: 'ana' }, progress, over]
  const listed = await runAgainst(() => ({ body: { replays } }), LIST_REPLAYS, 'orders')
  expect(listed.requests).toEqual(['GET /dead-letters/replays?projection=orders'])
  expect(listed.stdout).toMatch(/orders v3 +paused by ana .*\n.*under way .*\n.*over +5 +0 +0\n$/)
  const one = await runAgainst(projector([over]), LIST_REPLAYS, '--request', REQUEST)
  expect(one).toMatchObject({ exitCode: 0, requests: [LOOK] })
})

test('a dry run shows what there is to show', async () => {
  const run = { appliedCount: 1, failed: [], changes: [], isCut: false }
  const { exitCode, stdout } = await runAgainst(
    () => ({ body: run }),
    REPLAY_LETTERS,
    'orders',
    '--all',
    '--dry-run',
  )
  expect([exitCode, stdout]).toEqual([0, 'letters that would be applied: 1\n'])
})

test.for([['--rate', '5'], ['--no-wait']])('a dry run has no %s', async (option) => {
  const run = await replay(projector([]), '--dry-run', ...option)
  expect([run.exitCode, run.requests]).toEqual([2, []])
  expect(run.stderr).toMatch(/a dry run applies nothing: leave --rate and --no-wait out/)
})
