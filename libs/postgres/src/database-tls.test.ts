import pg from 'pg'
import { afterEach, expect, test, vi } from 'vitest'
import { type DatabaseTls, tlsFailure, tlsSaidTwice, withTls } from './database-tls.ts'

afterEach(() => vi.unstubAllEnvs())

function settings(url: string): Readonly<Record<string, string>> {
  return Object.fromEntries(new URL(url).searchParams)
}

/** What `pg` makes of it: false is plain text, and an object without settings checks everything. */
function pgTls(url: string): unknown {
  return new pg.Client({ connectionString: url }).ssl
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
  // `pg` takes what is empty for what is not there, and the last of several.
  ['postgres://ann@db.example/shop?host=', 'verify-full'],
  ['postgres://ann@db.example/shop?sslmode=', 'verify-full'],
  ['postgres://ann@db.example/shop?ssl=', 'verify-full'],
  ['postgres://ann@localhost/shop?sslrootcert=', 'disable'],
  ['postgres://ann@localhost/shop?host=localhost&host=db.example', 'verify-full'],
  ['postgres://ann@db.example/shop?host=db.example&host=localhost', 'disable'],
  ['postgres://ann@db.example/shop?uselibpqcompat=true', 'verify-full'],
  // It needs TLS.
  ['postgres://ann@localhost/shop?sslnegotiation=direct', 'verify-full'],
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
  ['Verify-Full', { sslmode: 'verify-full' }],
  ['disable&sslmode=verify-full', { sslmode: 'verify-full' }],
  ['verify-full&ssl=0', { sslmode: 'verify-full' }],
  ['require&uselibpqcompat=true', { sslmode: 'require', uselibpqcompat: 'true' }],
] as const)('sslmode=%s of a URL is kept as it was read', ([mode, expected]) => {
  expect(settings(withTls(`postgres://ann@db.example/shop?sslmode=${mode}`))).toEqual(expected)
})

test.for([
  ['0', 'disable'],
  ['no-verify', 'no-verify'],
  ['1', 'verify-full'],
  ['true', 'verify-full'],
  ['false', 'verify-full'],
  ['0&sslrootcert=/ca.pem', 'verify-full'],
] as const)('ssl=%s of a URL means %s, as to pg', ([ssl, mode]) => {
  expect(settings(withTls(`postgres://ann@db.example/shop?ssl=${ssl}`))['sslmode']).toBe(mode)
})

test.for(['uselibpqcompat=true', 'ssl=0', 'ssl=no-verify', 'sslmode=disable', 'sslmode='])(
  'a setting goes before %s of a URL',
  (parameter) => {
    const url = withTls(`postgres://ann@db.example/shop?${parameter}`, { sslmode: 'verify-full' })
    expect(settings(url)).toEqual({ sslmode: 'verify-full' })
    expect(pgTls(url)).toEqual({})
  },
)

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
  expect(settings(withTls('postgres:///shop'))['sslmode']).toBe('disable')
})

test.for([
  ['disable', 'disable'],
  ['no-verify', 'no-verify'],
  ['require', 'verify-full'],
  ['verify-full', 'verify-full'],
  // `pg` does not know them, and would speak plain text.
  ['', 'verify-full'],
  ['allow', 'verify-full'],
  ['Verify-Full', 'verify-full'],
] as const)('PGSSLMODE=%s means %s of a server elsewhere', ([variable, mode]) => {
  vi.stubEnv('PGSSLMODE', variable)
  expect(settings(withTls('postgres://ann@db.example/shop'))['sslmode']).toBe(mode)
})

test.for([
  ['sslmode=require&sslrootcert=/ca.pem', ['sslmode']],
  ['ssl=0', ['sslmode ssl', 'sslcert ssl']],
  ['uselibpqcompat=true', ['sslmode uselibpqcompat']],
  ['sslmode=&sslcert=', []],
] as const)('what %s says twice is named', ([parameters, expected]) => {
  const url = `postgres://ann@db.example/shop?${parameters}`
  const found = tlsSaidTwice(url, { sslmode: 'verify-full', sslcert: '/me.pem' })
  const named = found.map(({ setting, parameter }) =>
    setting === parameter ? setting : `${setting} ${parameter}`,
  )
  expect(named).toEqual(expected)
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
  const gone = Object.assign(new Error('ENOENT: no such file'), { code: 'ENOENT', path: '/me.key' })
  const withFiles = withTls('postgres://ann@db.example/shop?sslcert=/me.pem&sslkey=/me.key')
  expect(tlsFailure(withFiles, gone)).toBe('database.sslkey: ENOENT: no such file')
})
