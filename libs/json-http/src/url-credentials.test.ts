import { expect, test } from 'vitest'
import { splitCredentials } from './url-credentials.ts'

test.for([
  ['http://ana:secret@host:8081', 'http://host:8081/', 'ana:secret'],
  ['https://ana:p%40ss%3Aword@host/sr/?a=b', 'https://host/sr/?a=b', 'ana:p@ss:word'],
  ['http://%C3%A4na:%C3%BC@host', 'http://host/', 'äna:ü'],
  ['http://ana:50%@host', 'http://host/', 'ana:50%'],
  ['http://ana@host', 'http://host/', 'ana:'],
  ['http://:secret@host', 'http://host/', ':secret'],
] as const)('%s is %s for who it names', ([text, url, userInfo]) => {
  const authorization = `Basic ${Buffer.from(userInfo).toString('base64')}`
  expect(splitCredentials(text)).toEqual({ url, authorization })
})

test.for(['http://host:8081', 'https://host/a@b', 'host:8081', ''])(
  '"%s" stays as it is',
  (text) => {
    expect(splitCredentials(text)).toEqual({ url: text, authorization: undefined })
  },
)
