import { inspect } from 'node:util'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { headersWhenRead } from './headers-when-read.ts'
import { type LogRecord, headersText } from './log-record.ts'

const utf8 = new TextEncoder()

function recordOf(entries: readonly (readonly [string, string])[]): LogRecord {
  return {
    topic: 't',
    partition: 0,
    offset: 0,
    timestampMs: 0,
    key: null,
    value: null,
    headers: entries.map(([name, value]) => [name, utf8.encode(value)]),
  }
}

type Headers = Readonly<Record<string, string>>

const NAMES = ['id', 'type', '__proto__', 'toString', 'constructor'] as const

/** Newer releases of Node say that it is a proxy, once there is nothing else to say. */
const shown = (value: unknown): string =>
  inspect(value, { breakLength: Number.POSITIVE_INFINITY, compact: true }).replace(
    /Proxy\((.*?)\)/s,
    '$1',
  )

/** All that one can do with an object, each as the first thing that is done with it. */
const USES: readonly ((headers: Headers) => unknown)[] = [
  ...NAMES.map((name) => (headers: Headers) => headers[name]),
  ...NAMES.map((name) => (headers: Headers) => name in headers),
  ...NAMES.map((name) => (headers: Headers) => Object.hasOwn(headers, name)),
  (headers) => new Map(Object.entries(headers)),
  (headers) => Reflect.ownKeys(headers),
  (headers) => Object.getOwnPropertyDescriptors(headers),
  (headers) => Object.getPrototypeOf(headers) === Object.prototype,
  (headers) => JSON.stringify(headers),
  shown,
  (headers) => shown({ event: { headers } }),
  (headers) => {
    const { id, ...rest } = headers
    return [id, new Map(Object.entries(rest))]
  },
  (headers) => {
    const names: string[] = []
    for (const name in headers) names.push(name)
    return names
  },
  (headers) => {
    Reflect.set(headers, 'id', 'other')
    return JSON.stringify(headers)
  },
  (headers) => {
    Reflect.deleteProperty(headers, 'id')
    return JSON.stringify(headers)
  },
  (headers) => {
    Object.freeze(headers)
    return [Object.isFrozen(headers), JSON.stringify(headers), shown(headers)]
  },
]

test('whatever is done first with headers, they are those of the record', () => {
  const entries = fc.array(fc.tuple(fc.constantFrom(...NAMES), fc.stringMatching(/^[a-z]{0,5}$/)), {
    maxLength: 5,
  })
  fc.assert(
    fc.property(entries, fc.constantFrom(...USES), fc.constantFrom(...USES), (some, use, next) => {
      const texts = headersText(recordOf(some))
      const headers = headersWhenRead(recordOf(some))
      expect(use(headers)).toEqual(use(texts))
      expect(next(headers)).toEqual(next(texts))
    }),
    { numRuns: 1_000 },
  )
})

test('they are decoded when they are first asked for, and once', () => {
  let count = 0
  const record: LogRecord = {
    ...recordOf([]),
    textHeaders: () => {
      count += 1
      return { id: '7' }
    },
  }
  const headers = headersWhenRead(record)
  expect(count).toBe(0)
  expect([headers['id'], headers['id'], headers['none']]).toEqual(['7', '7', undefined])
  expect(count).toBe(1)
})
