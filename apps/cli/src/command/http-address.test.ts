import { expect, test } from 'vitest'
import { httpAddress } from './http-address.ts'

test.for([
  { text: 'http://relay:8083/', token: undefined, url: 'http://relay:8083', sent: undefined },
  { text: 'http://relay:8083', token: 'abc', url: 'http://relay:8083', sent: 'Bearer abc' },
  {
    text: 'https://ann:p%40ss@relay/base',
    token: undefined,
    url: 'https://relay/base',
    sent: `Basic ${Buffer.from('ann:p@ss').toString('base64')}`,
  },
  { text: 'http://ann:x@relay', token: 'abc', url: 'http://relay', sent: 'Bearer abc' },
])('$text with token $token', ({ text, token, url, sent }) => {
  const address = httpAddress('relay', text, token)
  expect([address.url, address.headers['authorization']]).toEqual([url, sent])
})

test.for(['127.0.0.1:8083', 'localhost:8083', 'relay:', 'ftp://relay'])(
  '%s is no address of HTTP: it is refused by the name of its option',
  (text) => {
    expect(() => httpAddress('relay', text, undefined)).toThrow('--relay is an http://')
  },
)
