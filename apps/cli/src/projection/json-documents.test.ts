import { expect, test } from 'vitest'
import { helpOf } from '../command/help.ts'
import { runAgainst } from '../command/run-against.test-fixture.ts'
import { PROMOTE_PROJECTION } from './change-projections.ts'
import { REBUILD_PROJECTION } from './rebuild-projection.ts'
import { VERIFY_PROJECTION } from './verify-projection.ts'

const PROMOTED = { live: 2, previous: 1, effectsPending: 0, viewsHeld: 0, durationMs: 3 }
const EQUAL = {
  isEqual: true,
  rowCount: 5,
  liveRowCount: 5,
  comparedKeys: 5,
  failingKeys: 0,
  missing: [],
  surplus: [],
  different: [],
}

/** A projector whose jobs end as `job` says. */
const projector = (job: object) => (request: string) => {
  if (request.startsWith('POST')) return { body: { jobId: '7', version: 2 } }
  const progress = { phase: null, done: 0, total: 0, eventsPerSecond: 0, eta: null, parked: 0 }
  return { body: { ...progress, reason: null, result: null, ...job } }
}

const promote = (result: object) =>
  runAgainst(
    projector({ state: 'done', result }),
    PROMOTE_PROJECTION,
    'orders',
    '--version',
    '2',
    '--verify',
    '-o',
    'json',
  )

test('a promotion that verifies first is one document, with what was found', async () => {
  const { exitCode, stdout } = await promote({ ...EQUAL, promoted: PROMOTED })
  expect([exitCode, JSON.parse(stdout)]).toEqual([0, { ...PROMOTED, verification: EQUAL }])
})

test('a promotion that is not made is one document, too', async () => {
  const verification = { ...EQUAL, isEqual: false, missing: ['a'] }
  const { exitCode, stdout } = await promote({ ...verification, promoted: null })
  expect([exitCode, JSON.parse(stdout)]).toEqual([10, { verification }])
})

test.for([
  [VERIFY_PROJECTION, [], 'VERIFICATION_FAILED'],
  [REBUILD_PROJECTION, ['--key', 'a'], 'REBUILD_FAILED'],
  [REBUILD_PROJECTION, [], 'REBUILD_FAILED'],
] as const)('$0.name $1 that fails is an error in JSON', async ([command, argv, code]) => {
  const failed = projector({
    state: 'failed',
    code: null,
    reason: 'the log has lost its beginning',
  })
  const { exitCode, stdout } = await runAgainst(failed, command, 'orders', ...argv, '-o', 'json')
  expect([exitCode, JSON.parse(stdout)]).toEqual([
    1,
    { error: { code, message: 'the log has lost its beginning', hint: '' } },
  ])
})

test.for([
  [VERIFY_PROJECTION, [], 'RETIRED', 5],
  [REBUILD_PROJECTION, ['--key', 'a'], 'NOT_A_FOLD', 5],
  [REBUILD_PROJECTION, [], 'TOPIC_AUTHORIZATION_FAILED', 4],
  [REBUILD_PROJECTION, [], 'ABORTED', 1],
] as const)('$0.name $1 that fails has the code $2', async ([command, argv, code, expected]) => {
  const failed = projector({ state: 'failed', code, reason: 'so it is' })
  const { exitCode, stdout } = await runAgainst(failed, command, 'orders', ...argv, '-o', 'json')
  expect([exitCode, JSON.parse(stdout)]).toEqual([
    expected,
    { error: { code, message: 'so it is', hint: '' } },
  ])
})

test.for([REBUILD_PROJECTION, VERIFY_PROJECTION, PROMOTE_PROJECTION])(
  'the help of $name says what is printed where nobody watches',
  (command) => {
    expect(helpOf(command)).toContain(
      'Where stderr is no terminal, progress is JSON, a line for each',
    )
  },
)
