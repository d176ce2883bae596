import { expect, test } from 'vitest'
import { DISCARD_LETTERS } from '../dlq/order-letters.ts'
import { LIST_PROJECTIONS } from '../projection/show-projections.ts'
import { InterruptedError } from './command.ts'
import { runAgainst, runAsked } from './run-against.test-fixture.ts'

const DISCARD_ALL = ['orders', '--all', '--reason', 'x'] as const
const answer = () => ({ body: { discarded: 3 } })

test('whoever interrupts a question has interrupted the command, and nothing is done', async () => {
  const ask = () => Promise.reject(new InterruptedError())
  const run = await runAsked({ answer, ask }, DISCARD_LETTERS, ...DISCARD_ALL)
  expect(run).toMatchObject({ exitCode: 130, requests: [], stdout: '', stderr: '' })
})

test.for([
  ['y', 0, 1],
  ['no', 1, 0],
] as const)('the answer "%s" ends with the exit code %i', async ([typed, exitCode, count]) => {
  const run = await runAsked(
    { answer, ask: () => Promise.resolve(typed) },
    DISCARD_LETTERS,
    ...DISCARD_ALL,
  )
  expect([run.exitCode, run.requests.length]).toEqual([exitCode, count])
})

test('who lacks credentials is told where to give them', async () => {
  const refused = () => ({ status: 401, body: { message: 'credentials are required' } })
  expect((await runAgainst(refused, LIST_PROJECTIONS)).stderr).toContain('--token')
})

test.for([401, 403])(
  'the status %i of a service is the exit code of who may not',
  async (status) => {
    const refused = () => ({ status, body: { message: 'credentials are required' } })
    expect((await runAgainst(refused, LIST_PROJECTIONS)).exitCode).toBe(4)
  },
)
