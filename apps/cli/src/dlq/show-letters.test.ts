import { expect, test } from 'vitest'
import { runAgainst } from '../command/run-against.test-fixture.ts'
import {
  EXPORT_LETTERS,
  LIST_CAUSES,
  LIST_LETTERS,
  LIST_LETTER_ACTIONS,
  LIST_PARKED_KEYS,
} from './show-letters.ts'

test('an export asks for whole letters, page by page', async () => {
  const pages = [
    { deadLetters: [{ id: '1' }, { id: '2' }], next: '2' },
    { deadLetters: [{ id: '3' }], next: '3' },
    { deadLetters: [], next: null },
  ]
  const { exitCode, stdout, requests } = await runAgainst(
    () => ({ body: pages.shift() ?? {} }),
    EXPORT_LETTERS,
    'orders',
    '--kind',
    'failed',
    '--reveal',
  )
  const request = (after: number) =>
    `GET /dead-letters?projection=orders&kind=failed&limit=1000&whole=true&reveal=true&after=${after}`
  expect([exitCode, stdout]).toEqual([0, '{"id":"1"}\n{"id":"2"}\n{"id":"3"}\n'])
  expect(requests).toEqual([request(0), request(2), request(3)])
})

test('an export that the projector refuses fails', async () => {
  const refused = () => ({ status: 503, body: { code: 'AWAY', message: 'the database is away' } })
  expect((await runAgainst(refused, EXPORT_LETTERS, 'orders')).exitCode).toBe(1)
})

test('what the projector needs and does not reach is told apart from the projector', async () => {
  const away = { code: 'UNAVAILABLE', message: 'connect ECONNREFUSED 127.0.0.1:5432' }
  const run = await runAgainst(() => ({ status: 503, body: away }), LIST_LETTERS, 'orders')
  expect(run.exitCode).toBe(6)
  expect(run.stderr).toMatch(/what the projector at http:\S+ needs is away: connect ECONNREFUSED/)
})

test('more parked keys than a page has are read page by page', async () => {
  const page = (count: number, next: string | null) => ({
    body: { keys: Array.from({ length: count }, (_, index) => ({ key: `${index}` })), next },
  })
  const { stdout, requests } = await runAgainst(
    (request) => (request.includes('after=') ? page(200, '2.x') : page(1_000, '1.x')),
    LIST_PARKED_KEYS,
    'orders',
    '--limit',
    '1200',
    '--output',
    'jsonl',
  )
  expect(requests).toEqual([
    'GET /dead-letters/keys?projection=orders&limit=1000',
    'GET /dead-letters/keys?projection=orders&limit=200&after=1.x',
  ])
  expect(stdout.trim().split('\n')).toHaveLength(1_200)
})

test.for([
  [LIST_LETTERS, ['--version', '2'], '/dead-letters?projection=orders&version=2'],
  [
    LIST_PARKED_KEYS,
    ['--version', '2'],
    '/dead-letters/keys?projection=orders&version=2&limit=100',
  ],
  [
    LIST_CAUSES,
    ['--version', '2', '--tenant', 'acme'],
    '/dead-letters/causes?projection=orders&tenant=acme&version=2',
  ],
  [
    LIST_LETTER_ACTIONS,
    ['--version', '2', '--key', 'k', '--after', '7'],
    '/dead-letters/log?projection=orders&key=k&after=7&version=2',
  ],
  [LIST_LETTERS, ['--version', 'live'], '/dead-letters?projection=orders&version=live'],
] as const)('$0.name asks for what its options say', async ([command, argv, path]) => {
  const nothing = { deadLetters: [], keys: [], next: null, causes: [], actions: [] }
  const run = await runAgainst(() => ({ body: nothing }), command, 'orders', ...argv)
  expect(run).toMatchObject({ exitCode: 0, requests: [`GET ${path}`] })
})

const OF_SEVENTH = {
  projection: 'orders',
  version: 7,
  key: 'k',
  reason: 'why',
  errorClass: 'RangeError',
  errorMessage: 'no',
}

test.for([
  [LIST_PARKED_KEYS, { keys: [OF_SEVENTH], next: null }],
  [LIST_CAUSES, { causes: [OF_SEVENTH] }],
  [LIST_LETTER_ACTIONS, { actions: [OF_SEVENTH] }],
] as const)('$0.name says of which version something is', async ([command, body]) => {
  const { stdout } = await runAgainst(() => ({ body }), command, 'orders')
  expect(stdout).toMatch(/\borders v7 /)
})

test('a version is a number, or the live one', async () => {
  const run = await runAgainst(() => ({ body: {} }), LIST_LETTERS, 'orders', '--version', 'newest')
  expect(run).toMatchObject({ exitCode: 2, requests: [] })
  expect(run.stderr).toMatch(
    /--version is "live", or an integer from 1 to 2147483647, not "newest"/,
  )
})
