import { DecodeError, OperationalError } from '@fairlead/base'
import { describe, expect, test } from 'vitest'
import { FencedError, classifyFailure, decideBatchFailure, decideEventFailure } from './failure.ts'

const withCode = (code: string): Error => Object.assign(new Error(code), { code })

/** As `fetch` throws it. */
const wrapping = (cause: unknown): Error => new TypeError('fetch failed', { cause })

function itsOwnCause(): Error {
  const error = new TypeError('circular')
  error.cause = error
  return error
}

describe('a failure is classified', () => {
  test.for([
    ['08006', 'infra'],
    ['57P01', 'infra'],
    ['53100', 'infra'],
    ['53300', 'infra'],
    ['58030', 'infra'],
    ['25006', 'infra'],
    ['28P01', 'infra'],
    ['3D000', 'infra'],
    ['HV00N', 'infra'],
    ['ECONNREFUSED', 'infra'],
    ['ETIMEDOUT', 'infra'],
    ['EMFILE', 'infra'],
    ['ENETDOWN', 'infra'],
    ['EAI_FAIL', 'infra'],
    ['CERT_HAS_EXPIRED', 'infra'],
    ['ERR_TLS_CERT_ALTNAME_INVALID', 'infra'],
    ['UND_ERR_SOCKET', 'infra'],
    ['40001', 'contention'],
    ['25P04', 'contention'],
    ['40P01', 'contention'],
    ['55P03', 'contention'],
    ['57014', 'contention'],
    ['42P01', 'schema'],
    ['42703', 'schema'],
    ['0A000', 'schema'],
    ['55000', 'schema'],
    ['HV00R', 'schema'],
    ['22003', 'data'],
    ['23505', 'data'],
    ['54000', 'data'],
    ['21000', 'data'],
    ['P0001', 'data'],
    ['25P02', 'code'],
    ['HV000', 'code'],
  ] as const)('%s is %s', ([code, failureClass]) => {
    expect(classifyFailure(withCode(code), 'handler')).toBe(failureClass)
    expect(classifyFailure(withCode(code), 'database')).toBe(failureClass)
  })

  test.for([
    [new DecodeError('bad', 0), 'decode', 'decode'],
    [new FencedError('moved'), 'fenced', 'fenced'],
    [new OperationalError('away', { code: 'NETWORK', retryable: true }), 'infra', 'infra'],
    [new OperationalError('no', { code: 'REFUSED', retryable: false }), 'code', 'code'],
    [new Error('Connection terminated unexpectedly'), 'infra', 'infra'],
    [new Error('timeout exceeded when trying to connect'), 'infra', 'infra'],
    [wrapping(new Error('Query read timeout')), 'infra', 'infra'],
    [new Error('cannot go on'), 'code', 'infra'],
    [new TypeError('undefined is not a function'), 'code', 'code'],
    ['text', 'code', 'code'],
    [wrapping(withCode('ECONNREFUSED')), 'infra', 'infra'],
    [wrapping(wrapping(withCode('UND_ERR_HEADERS_TIMEOUT'))), 'infra', 'infra'],
    [wrapping(new OperationalError('away', { code: 'HTTP', retryable: true })), 'infra', 'infra'],
    [wrapping(withCode('40001')), 'contention', 'contention'],
    [wrapping(withCode('ERR_OTHER')), 'code', 'code'],
    [withCode('ERR_OSSL_BAD_DECRYPT'), 'code', 'infra'],
    [withCode('UND_ERR_INVALID_ARG'), 'code', 'infra'],
    [wrapping(undefined), 'code', 'code'],
    [itsOwnCause(), 'code', 'code'],
  ] as const)('%s is %s in a handler and %s in the database', ([error, handler, database]) => {
    expect(classifyFailure(error, 'handler')).toBe(handler)
    expect(classifyFailure(error, 'database')).toBe(database)
  })
})

describe('a batch that failed', () => {
  test.for([
    ['infra', 'pause'],
    ['contention', 'retry'],
    ['schema', 'stop'],
    ['data', 'isolate'],
    ['decode', 'isolate'],
    ['code', 'isolate'],
    ['fenced', 'rejoin'],
  ] as const)('because of %s leads to %s', ([failureClass, action]) => {
    expect(decideBatchFailure({ failureClass, attempt: 1 }).action).toBe(action)
  })

  test.for(['contention', 'infra'] as const)(
    'the third time in a row by %s halves it',
    (failureClass) => {
      const halves = [1, 2, 3].map((attempt) => {
        const decision = decideBatchFailure({ failureClass, attempt })
        return 'halve' in decision && decision.halve
      })
      expect(halves).toEqual([false, false, true])
    },
  )
})

test.for([
  { says: undefined, attempt: 1, action: 'retry' },
  { says: undefined, attempt: 2, action: 'retry' },
  { says: undefined, attempt: 3, action: 'park' },
  { says: 'retry', attempt: 3, action: 'park' },
  { says: 'park', attempt: 1, action: 'park' },
  { says: 'skip', attempt: 1, action: 'skip' },
  { says: 'stop', attempt: 1, action: 'stop' },
] as const)(
  'an event at attempt $attempt of 2 retries, classified as $says, leads to $action',
  ({ says, attempt, action }) => {
    expect(decideEventFailure({ attempt, classified: says, retries: 2 })).toBe(action)
  },
)
