import { expect, test } from 'vitest'
import { classifyPostgresError } from './index.ts'

const withCode = (code: string) => Object.assign(new Error('failed'), { code })

test.for([
  ['08006', 'infra'],
  ['57P01', 'infra'],
  ['53300', 'infra'],
  ['25006', 'infra'],
  ['28P01', 'infra'],
  ['3D000', 'infra'],
  ['ECONNREFUSED', 'infra'],
  ['EMFILE', 'infra'],
  ['ENETDOWN', 'infra'],
  ['CERT_HAS_EXPIRED', 'infra'],
  ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'infra'],
  ['ERR_TLS_CERT_ALTNAME_INVALID', 'infra'],
  ['ERR_OSSL_PEM_NO_START_LINE', 'infra'],
  ['40001', 'contention'],
  ['25P04', 'contention'],
  ['40P01', 'contention'],
  ['55P03', 'contention'],
  ['57014', 'contention'],
  ['42P01', 'schema'],
  ['0A000', 'schema'],
  ['22003', 'data'],
  ['23505', 'data'],
  ['54000', 'data'],
  ['P0001', 'unknown'],
] as const)('%s is %s', ([code, expected]) => {
  expect(classifyPostgresError(withCode(code))).toBe(expected)
})

test('the loss of a connection has no code, and is infra', () => {
  expect(classifyPostgresError(new Error('Connection terminated unexpectedly'))).toBe('infra')
  expect(classifyPostgresError(new Error('Query read timeout'))).toBe('infra')
})

test('a file that is away is infra where it is a socket, or a certificate', () => {
  const away = (syscall: string) => Object.assign(withCode('ENOENT'), { syscall })
  expect(classifyPostgresError(away('connect'))).toBe('infra')
  expect(classifyPostgresError(away('open'))).toBe('infra')
  expect(classifyPostgresError(away('scandir'))).toBe('unknown')
})

test('the cause of an error is looked through', () => {
  const wrapped = new Error('a migration failed', { cause: withCode('42P01') })
  expect(classifyPostgresError(wrapped)).toBe('schema')
})

test('what is no failure of a database is unknown', () => {
  expect(classifyPostgresError(new TypeError('x is undefined'))).toBe('unknown')
  expect(classifyPostgresError('text')).toBe('unknown')
})
