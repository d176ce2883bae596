import { expect, test } from 'vitest'
import { isInternalTopic, topicNameProblem } from '../index.ts'

test.for(['a', '...', 'A-Z_0.9', 'x'.repeat(249), '__consumer_offsets'])(
  '%s names a topic',
  (name) => {
    expect(topicNameProblem(name)).toBeUndefined()
  },
)

test.for([
  ['', 'Topic name is invalid: the empty string is not allowed'],
  ['.', "Topic name is invalid: '.' is not allowed"],
  ['..', "Topic name is invalid: '..' is not allowed"],
  [
    'a b',
    "Topic name is invalid: 'a b' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'",
  ],
] as const)('"%s" does not', ([name, problem]) => {
  expect(topicNameProblem(name)).toBe(problem)
})

test('only the topics that the broker writes are internal', () => {
  expect(['__consumer_offsets', '__transaction_state', '__mine'].map(isInternalTopic)).toEqual([
    true,
    true,
    false,
  ])
})
