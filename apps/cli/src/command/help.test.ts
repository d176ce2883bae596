import { expect, test } from 'vitest'
import { COMMANDS } from '../commands.ts'
import { helpOfAll, helpOfNoun } from './help.ts'

test('the list of commands has those that read their arguments themselves, too', () => {
  const help = helpOfAll(COMMANDS)
  for (const name of ['topic create', 'cat', 'dev']) expect(help).toContain(`\n  ${name} `)
})

test.for([
  { argv: ['topic', '--help'], has: 'topic create', hasNot: 'group list' },
  { argv: ['relay', 'dlq', '-h'], has: 'relay dlq replay', hasNot: 'relay status' },
])('$argv lists the commands that begin so', ({ argv, has, hasNot }) => {
  const help = helpOfNoun(COMMANDS, argv)
  expect(help).toContain(has)
  expect(help).not.toContain(hasNot)
})

test.for([[['topic', 'create', '--help']], [['topic']], [['--help']], [['topc', '--help']]])(
  '%j is no question about a noun',
  ([argv = []]) => {
    expect(helpOfNoun(COMMANDS, argv)).toBeUndefined()
  },
)
