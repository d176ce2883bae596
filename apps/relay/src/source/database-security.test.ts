import { expect, test } from 'vitest'
import { databaseTlsProblems } from './database-security.ts'

const CERTIFICATE = import.meta.filename

function problems(
  parameters: string,
  settings: Partial<Parameters<typeof databaseTlsProblems>[0]>,
): readonly string[] {
  return databaseTlsProblems({
    'database.sslmode': undefined,
    'database.sslrootcert': undefined,
    'database.sslcert': undefined,
    'database.sslkey': undefined,
    ...settings,
    'database.url': `postgres://ann@db.example/shop?${parameters}`,
  })
}

test.for(['sslmode', 'ssl', 'uselibpqcompat'])(
  'database.sslmode beside %s in the URL is refused',
  (parameter) => {
    expect(problems(`${parameter}=true`, { 'database.sslmode': 'verify-full' })).toEqual([
      `database.sslmode is set, and database.url has ${parameter}, too: leave one of them out`,
    ])
  },
)

test('a certificate beside ssl=0 in the URL is refused', () => {
  expect(problems('ssl=0', { 'database.sslrootcert': CERTIFICATE })).toEqual([
    'database.sslrootcert is set, and database.url has ssl, too: leave one of them out',
  ])
})

test.for(['database.sslrootcert', 'database.sslcert', 'database.sslkey'])(
  '%s beside sslmode=disable in the URL, which no certificate is looked at for, is refused',
  (key) => {
    expect(problems('sslmode=disable', { [key]: CERTIFICATE })).toEqual([
      `${key} is set and database.url has sslmode=disable: leave one of them out`,
    ])
    expect(problems('sslmode=disable&sslmode=verify-full', { [key]: CERTIFICATE })).toEqual([])
  },
)

test('verify-ca needs an authority, in the settings or in the URL', () => {
  const mode = { 'database.sslmode': 'verify-ca' } as const
  const missing = [expect.stringMatching(/^database\.sslmode is verify-ca and .*sslrootcert/)]
  expect(problems('', mode)).toEqual(missing)
  expect(problems('sslrootcert=', mode)).toEqual(missing)
  expect(problems(`sslrootcert=${CERTIFICATE}`, mode)).toEqual([])
  expect(problems('', { ...mode, 'database.sslrootcert': CERTIFICATE })).toEqual([])
})
