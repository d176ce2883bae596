import { expect, test } from 'vitest'
import { ScramClient } from './scram.ts'

/** The exchange of RFC 7677, section 3. */
const CLIENT_NONCE = 'rOprNGfwEbeRWgbNEkqO'
const SERVER_NONCE = '%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0'
const SALT = 'W22ZaJ0SNY7soEsUEjb6gQ=='
const SERVER_FIRST = `r=${CLIENT_NONCE}${SERVER_NONCE},s=${SALT},i=4096`
const SERVER_FINAL = 'v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4='

function client(): ScramClient {
  const credentials = { username: 'user', password: 'pencil', nonce: CLIENT_NONCE }
  return new ScramClient({ mechanism: 'SCRAM-SHA-256', ...credentials })
}

test('the exchange of RFC 7677', async () => {
  const scram = client()
  expect(scram.clientFirst).toBe(`n,,n=user,r=${CLIENT_NONCE}`)
  expect(await scram.clientFinal(SERVER_FIRST)).toBe(
    `c=biws,r=${CLIENT_NONCE}${SERVER_NONCE},p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=`,
  )
  expect(() => scram.expectServer(SERVER_FINAL)).not.toThrow()
})

test('a name may have commas and equals signs in it', () => {
  const name = { username: 'a=b,c,d', password: 'x', nonce: 'n' }
  const scram = new ScramClient({ mechanism: 'SCRAM-SHA-512', ...name })
  expect(scram.clientFirst).toBe('n,,n=a=3Db=2Cc=2Cd,r=n')
})

test.for([
  { what: 'of another nonce', message: `r=of-somebody-else,s=${SALT},i=4096`, why: 'no answer' },
  { what: 'of ours alone', message: `r=${CLIENT_NONCE},s=${SALT},i=4096`, why: 'no answer' },
  { what: 'without salt', message: `r=${CLIENT_NONCE}x,i=4096`, why: 'no answer' },
  {
    what: 'with few iterations',
    message: `r=${CLIENT_NONCE}x,s=${SALT},i=4095`,
    why: 'wants 4095',
  },
  {
    what: 'with endless iterations',
    message: `r=${CLIENT_NONCE}x,s=${SALT},i=2147483647`,
    why: 'wants 2147483647',
  },
  { what: 'without iterations', message: `r=${CLIENT_NONCE}x,s=${SALT}`, why: 'wants undefined' },
  { what: 'that is none', message: 'hello', why: 'no answer' },
  { what: 'with an extension that has to be known', message: `m=x,${SERVER_FIRST}`, why: 'm=' },
])('a first message of the server $what is refused', async ({ message, why }) => {
  await expect(client().clientFinal(message)).rejects.toThrow(why)
})

test.for([
  { what: 'with another signature', message: `v=${Buffer.alloc(32).toString('base64')}` },
  { what: 'with a short one', message: 'v=6rri' },
  { what: 'without one', message: '' },
])('a last message $what is not from who knows the password', async ({ message }) => {
  const scram = client()
  await scram.clientFinal(SERVER_FIRST)
  expect(() => scram.expectServer(message)).toThrow('does not know the password')
})

test('a last message with an extension that has to be known is refused', async () => {
  const scram = client()
  await scram.clientFinal(SERVER_FIRST)
  expect(() => scram.expectServer(`${SERVER_FINAL},m=x`)).toThrow('m=')
  expect(() => scram.expectServer(`${SERVER_FINAL},x=y`)).not.toThrow()
})

test('a refusal says why', async () => {
  const scram = client()
  await scram.clientFinal(SERVER_FIRST)
  expect(() => scram.expectServer('e=unknown-user')).toThrow('unknown-user')
})
