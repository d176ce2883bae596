import { afterEach, expect, test, vi } from 'vitest'
import { type DatabaseTls, tlsFailure, tlsSaidTwice, withTls } from './database-tls.ts'

afterEach(() => vi.unstubAllEnvs())

function settings(url: string): Readonly<Record<string, string>> {
  return Object.fromEntries(new URL(url).searchParams)
}

test.for([
  ['postgres://ann@localhost/shop', 'disable'],
  ['postgres://ann@LOCALHOST:5433/shop', 'disable'],
  ['postgres://ann@127.0.0.1/shop', 'disable'],
  ['postgres://ann@127.1.2.3/shop', 'disable'],
  ['postgres://ann@[::1]/shop', 'disable'],
  ['postgres:///shop?host=/run/postgresql', 'disable'],
  ['postgres://%2Frun%2Fpostgresql/shop', 'disable'],
  ['postgres:///shop', 'disable'],
  ['postgres://ann@db.example/shop', 'verify-full'],
  ['postgres://ann@localhost.example/shop', 'verify-full'],
  ['postgres://ann@127.0.0.1.example/shop', 'verify-full'],
  ['postgres://ann@0.0.0.0/shop', 'verify-full'],
  ['postgres://ann@10.0.0.5/shop', 'verify-full'],
  ['postgres://ann@localhost/shop?host=db.example', 'verify-full'],
  // Who names an authority means it to be asked.
  ['postgres://ann@localhost/shop?sslrootcert=/ca.pem', 'verify-full'],
] as const)('where nothing is said, %s means %s', ([url, mode]) => {
  expect(settings(withTls(url))['sslmode']).toBe(mode)
})

test.for([
  ['disable', { sslmode: 'disable' }],
  ['verify-full', { sslmode: 'verify-full' }],
  ['no-verify', { sslmode: 'no-verify' }],
  // `pg` reads them so today, and warns that it will not for ever.
  ['require', { sslmode: 'verify-full' }],
  ['prefer', { sslmode: 'verify-full' }],
  ['require&uselibpqcompat=true', { sslmode: 'require', uselibpqcompat: 'true' }],
] as const)('sslmode=%s of a URL is kept as it was read', ([mode, expected]) => {
  expect(settings(withTls(`postgres://ann@db.example/shop?sslmode=${mode}`))).toEqual(expected)
})

test.for<[DatabaseTls, Readonly<Record<string, string>>]>([
  [{ sslmode: 'disable' }, { sslmode: 'disable' }],
  [{ sslmode: 'require' }, { sslmode: 'require', uselibpqcompat: 'true' }],
  [
    { sslmode: 'verify-ca', sslrootcert: '/ca.pem' },
    { sslmode: 'verify-ca', sslrootcert: '/ca.pem', uselibpqcompat: 'true' },
  ],
  [
    { sslrootcert: '/ca.pem', sslcert: '/me.pem', sslkey: '/me.key' },
    { sslmode: 'verify-full', sslrootcert: '/ca.pem', sslcert: '/me.pem', sslkey: '/me.key' },
  ],
])('settings beside the URL have the meaning of libpq: %j', ([tls, expected]) => {
  expect(settings(withTls('postgres://ann@localhost/shop', tls))).toEqual(expected)
})

test('PGSSLMODE and PGHOST are asked where the URL says nothing', () => {
  vi.stubEnv('PGHOST', 'db.example')
  expect(settings(withTls('postgres:///shop'))['sslmode']).toBe('verify-full')
  vi.stubEnv('PGSSLMODE', 'disable')
  expect(withTls('postgres://ann@db.example/shop')).toBe('postgres://ann@db.example/shop')
})

test('what is said twice is named', () => {
  const url = 'postgres://ann@db.example/shop?sslmode=require&sslrootcert=/ca.pem'
  expect(tlsSaidTwice(url, { sslmode: 'verify-full', sslcert: '/me.pem' })).toEqual(['sslmode'])
})

test('a failure says what the option is, and what to do', () => {
  const url = withTls('postgres://ann@db.example/shop')
  const none = new Error('The server does not support SSL connections')
  expect(tlsFailure(url, none)).toMatch(
    /the server offers none, and database\.sslmode is verify-full.*database\.sslmode=disable/,
  )
  const expired = Object.assign(new Error('certificate has expired'), { code: 'CERT_HAS_EXPIRED' })
  expect(tlsFailure(url, expired)).toMatch(
    /certificate has expired \(CERT_HAS_EXPIRED\); database\.sslmode is verify-full.*database\.sslrootcert/,
  )
  expect(tlsFailure(url, new Error('no such table'))).toBeUndefined()
})
