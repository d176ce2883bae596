import { lsn } from '@fairlead/base'
import { expect, test } from 'vitest'
import {
  type CommitPosition,
  type CommitToken,
  CommitTokenError,
  formatCommitToken,
  isCutCommitToken,
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
  expect(parseCommitToken(joinCommitTokens(token, joinCommitTokens(token, later)))).toHaveLength(2)
})

const written = (index: number): CommitToken =>
  formatCommitToken({
    lsn: lsn(BigInt(index)),
    transactionId: String(index),
    keyHashes: new Map([['outbox.event.order', [0x7fff_ffff - index]]]),
  })

test('a token holds many writes, and says so when it could not hold them all', () => {
  let joined: string = written(0)
  for (let index = 1; index < 25; index += 1) joined = joinCommitTokens(joined, written(index))
  expect(parseCommitToken(joined)).toHaveLength(25)
  expect(isCutCommitToken(joined)).toBe(false)

  for (let index = 25; index < 200; index += 1) joined = joinCommitTokens(joined, written(index))
  expect(joined).toMatch(/^[\w~.-]+$/)
  expect(
    `consistency-token=${joined}; Path=/; Max-Age=60; HttpOnly; SameSite=Lax`.length,
  ).toBeLessThan(4_096)
  expect(isCutCommitToken(joined)).toBe(true)
  const positions = parseCommitToken(joined)
  expect(positions.length).toBeGreaterThan(25)
  expect(positions.at(-1)?.transactionId).toBe('199')
})

const encoded = (json: unknown) => `1.${Buffer.from(JSON.stringify(json)).toString('base64url')}`

test.for([
  '',
  'hello',
  '1.',
  '1.%%%',
  '2.e30',
  'cut',
  'cut~',
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

test.for([undefined, null, 5, {}])('%s is refused as a token, too', (given) => {
  expect(() => parseCommitToken(given as never)).toThrow(CommitTokenError)
})
