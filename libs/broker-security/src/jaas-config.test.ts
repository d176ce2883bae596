import { expect, test } from 'vitest'
import { parseJaasConfig } from './jaas-config.ts'

const SCRAM = 'org.apache.kafka.common.security.scram.ScramLoginModule'

test.for([
  { written: `username="ann" password="a b"`, options: { username: 'ann', password: 'a b' } },
  {
    written: `username='ann' password=secret-1`,
    options: { username: 'ann', password: 'secret-1' },
  },
  {
    written: `\n  username = "ann"\n  password = "x"`,
    options: { username: 'ann', password: 'x' },
  },
  { written: String.raw`password="a\"b\\c\n\101"`, options: { password: 'a"b\\c\nA' } },
  { written: `password="a=b;c"`, options: { password: 'a=b;c' } },
  { written: '', options: {} },
])('$written is read as Kafka does', ({ written, options }) => {
  expect(parseJaasConfig(`${SCRAM} required ${written};`)).toEqual({
    loginModule: SCRAM,
    options: new Map(Object.entries(options)),
  })
})

test.for([
  ['', 'begins with no login module'],
  ['= required;', 'begins with no login module'],
  [SCRAM, 'none of required'],
  [`${SCRAM} needed username="a";`, 'none of required'],
  [`${SCRAM} required username="a"`, 'ends with no semicolon'],
  [`${SCRAM} required username="a;`, 'no value for username'],
  [`${SCRAM} required username=;`, 'no value for username'],
  [`${SCRAM} required username;`, 'no value for username'],
  [`${SCRAM} required = "a";`, 'a value without a name'],
])('%s is refused: %s', ([text = '', problem = '']) => {
  expect(() => parseJaasConfig(text)).toThrow(problem)
})
