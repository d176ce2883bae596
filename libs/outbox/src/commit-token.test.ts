import { keyHash, lsn } from '@fairlead/base'
import { expect, test } from 'vitest'
import {
  type CommitPosition,
  type CommitToken,
  CommitTokenError,
  UNKNOWN_LSN,
  filterCommitToken,
  formatCommitToken,
  isCutCommitToken,
  joinCommitTokens,
  parseCommitToken,
} from './commit-token.ts'
import { KeyCounter, type KeyCounts, eventCountOf, tellsPartitions } from './key-counts.ts'

const whole = (...counts: readonly (readonly [hash: number, count: number])[]): KeyCounts => ({
  modulus: 2 ** 31,
  counts: new Map(counts),
})

test('a token says what it was made of, in characters that a header and a cookie may have', () => {
  const position: CommitPosition = {
    lsn: lsn(0x16_b374_d848n),
    transactionId: '4294967299',
    written: new Map([
      ['outbox.event.order', whole([0, 1], [0x7fff_ffff, 300])],
      ['outbox.event.bulk', { modulus: 3, counts: new Map([[1, 70_000]]) }],
      ['outbox.event.unknown', null],
    ]),
  }
  const token = formatCommitToken(position)
  expect(token).toMatch(/^2\.[\w-]+$/)
  expect(parseCommitToken(token)).toEqual([position])

  const later = formatCommitToken({ ...position, transactionId: '4294967300' })
  expect(parseCommitToken(joinCommitTokens(token, later))).toMatchObject([
    { transactionId: '4294967299' },
    { transactionId: '4294967300' },
  ])
  expect(parseCommitToken(joinCommitTokens(token, joinCommitTokens(token, later)))).toHaveLength(2)
})

const writtenOnce = (index: number): CommitToken =>
  formatCommitToken({
    lsn: lsn(BigInt(index)),
    transactionId: String(index),
    written: new Map([['outbox.event.order', whole([0x7fff_ffff - index, 1])]]),
  })

test('a token holds many writes, and says so when it could not hold them all', () => {
  let joined: string = writtenOnce(0)
  for (let index = 1; index < 25; index += 1) joined = joinCommitTokens(joined, writtenOnce(index))
  expect(parseCommitToken(joined)).toHaveLength(25)
  expect(isCutCommitToken(joined)).toBe(false)

  for (let index = 25; index < 200; index += 1)
    joined = joinCommitTokens(joined, writtenOnce(index))
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

test('writes may leave a token; that it has forgotten others stays', () => {
  const joined = joinCommitTokens(writtenOnce(1), writtenOnce(2), writtenOnce(3))
  const isKept = ({ transactionId }: CommitPosition) => transactionId !== '2'
  const left = filterCommitToken(joined, isKept)
  expect(left).toBe(joinCommitTokens(writtenOnce(1), writtenOnce(3)))
  expect(filterCommitToken(joined, () => false)).toBeUndefined()
  const cut = filterCommitToken(`cut~${joined}`, isKept)
  expect(cut).toBe(`cut~${left}`)
  expect(filterCommitToken(`cut~${joined}`, () => false)).toBe('cut')
})

test('a token of version 1 says that there is an event of each key at least', () => {
  const topics = { 'outbox.event.order': [5, 7], 'outbox.event.bulk': null }
  expect(parseCommitToken(encoded(['16/B374D848', '812', topics]))).toEqual([
    {
      lsn: lsn(0x16_b374_d848n),
      transactionId: '812',
      written: new Map<string, KeyCounts | null>([
        ['outbox.event.order', whole([5, 1], [7, 1])],
        ['outbox.event.bulk', null],
      ]),
    },
  ])
})

const counted = (keyCount: number): KeyCounter => {
  const counter = new KeyCounter()
  for (let key = 0; key < keyCount; key += 1) counter.add(keyHash(Buffer.from(`o${key}`)))
  return counter
}

test('events of many keys are counted so that most numbers of partitions can be told apart', () => {
  expect(counted(200).modulus).toBe(2 ** 31)
  for (const keyCount of [201, 100_000]) {
    const many = counted(keyCount)
    expect(eventCountOf(many)).toBe(keyCount)
    expect(many.counts.size).toBeLessThanOrEqual(960)
    expect([3, 6, 12, 64].every((count) => tellsPartitions(many, count))).toBe(true)
    expect(tellsPartitions(many, 7)).toBe(false)
  }
})

test.for([
  ['a few topics of some keys', 6, 50],
  ['many topics of some keys', 40, 50],
  ['some topics of very many keys', 4, 100_000],
] as const)('a token of %s fits into a cookie, with all events counted', ([, topicCount, keys]) => {
  const topics = Array.from({ length: topicCount }, (_, index) => `outbox.event.topic-${index}`)
  const events = counted(keys)
  const written = new Map(topics.map((topic) => [topic, events]))
  const token = formatCommitToken({ lsn: UNKNOWN_LSN, transactionId: '812', written })
  expect(token.length).toBeLessThanOrEqual(3_800)
  const [position] = parseCommitToken(token)
  expect(position?.lsn).toBe(UNKNOWN_LSN)
  for (const topic of topics) {
    const found = position?.written.get(topic)
    expect(found && eventCountOf(found)).toBe(keys)
  }
})

test('a token of more topics than fit into a cookie names none of them, and says so', () => {
  const topics = Array.from({ length: 100 }, (_, index) => 'x'.repeat(100) + index)
  const written = new Map(topics.map((topic) => [topic, counted(1)]))
  const token = formatCommitToken({ lsn: lsn(1n), transactionId: '812', written })
  expect(isCutCommitToken(token)).toBe(true)
  expect(parseCommitToken(token)).toEqual([])
  const joined = joinCommitTokens(token, writtenOnce(1))
  expect([isCutCommitToken(joined), parseCommitToken(joined).length]).toEqual([true, 1])
})

test.for([
  '',
  'hello',
  '1.',
  '1.%%%',
  '3.e30',
  '2.ew',
  'cut~',
  'cut; Domain=elsewhere',
  '2.AA',
  '2.AAAFYQ',
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
