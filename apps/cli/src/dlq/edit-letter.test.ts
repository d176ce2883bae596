import { expect, test } from 'vitest'
import { runAgainst, runAsked } from '../command/run-against.test-fixture.ts'
import { EDIT_LETTER } from './edit-letter.ts'

const WHO = ['--actor', 'ana', '--reason', 'typing error'] as const
const answer = () => ({ body: {} })
const ask = () => Promise.resolve('n')

test('the original is applied again only after somebody says so', async () => {
  const refused = await runAsked({ answer, ask }, EDIT_LETTER, '5', '--take-back', ...WHO)
  expect(refused).toMatchObject({ exitCode: 1, requests: [] })
  const agreed = await runAgainst(answer, EDIT_LETTER, '5', '--take-back', '--yes', ...WHO)
  expect(agreed).toMatchObject({ exitCode: 0, requests: ['DELETE /dead-letters/5/value'] })
})

test.for([['--value', '{}'] as const, ['--file', 'x.json'] as const])(
  'a value given with %s beside --take-back is not passed over',
  async (value) => {
    const run = await runAgainst(answer, EDIT_LETTER, '5', '--take-back', '--yes', ...value, ...WHO)
    expect(run).toMatchObject({ exitCode: 2, requests: [] })
    expect(run.stderr).toMatch(/leave --value and --file out/)
  },
)

test('a value that is typed to its end leaves nobody to ask', async () => {
  const run = await runAsked({ answer, ask }, EDIT_LETTER, '5', '--file', '-', ...WHO)
  expect(run).toMatchObject({ exitCode: 2, requests: [] })
  expect(run.stderr).toMatch(/add --yes/)
})
