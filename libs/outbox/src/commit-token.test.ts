import { lsn } from '@fairlead/base'
import { expect, test } from 'vitest'
import {
  type CommitPosition,
  CommitTokenError,
  formatCommitToken,
  joinCommitTokens,
  parseCommitToken,
} from './commit-token.ts'

test('a token says what it was made of, in characters that a header and a cookie may have', () => {
  const position: CommitPosition = {
    lsn: lsn(0x16_b374_d848n),
    transactionId: '4294967299',
    keyHashes: new Map([
      ['outbox.event.order', [0, 0x7fff_ffff]],
      ['outbox.event.bulk', null],
    ]),
  }
  const token = formatCommitToken(position)
  expect(token).toMatch(/^1\.[\w-]+$/)
  expect(parseCommitToken(token)).toEqual([position])

  const later = formatCommitToken({ ...position, transactionId: '4294967300' })
  expect(parseCommitToken(joinCommitTokens(token, later))).toMatchObject([
    { transactionId: '4294967299' },
    { transactionId: '4294967300' },
  ])
  const many = joinCommitTokens(token, token, token, joinCommitTokens(token, later))
  expect(parseCommitToken(many)).toHaveLength(4)
  expect(many).toMatch(/^[\w~.-]+$/)
})

const encoded = (json: unknown) => `1.${Buffer.from(JSON.stringify(json)).toString('base64url')}`

test.for([
  '',
  'hello',
  '1.',
  '1.%%%',
  '2.e30',
  encoded({}),
  encoded(['0/1', 7, {}]),
  encoded(['0/1', 'x', {}]),
  encoded(['nowhere', '7', {}]),
  encoded(['0/1', '7', null]),
  encoded(['0/1', '7', { t: ['x'] }]),
  `1.${'A'.repeat(20_000)}`,
])('"%s" is refused', (text) => {
  expect(() => parseCommitToken(text)).toThrow(CommitTokenError)
})
