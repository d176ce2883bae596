import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ConfigError, loadConfig } from '@fairlead/service'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { brokerSecurity, brokerSecurityProblems } from './broker-security.ts'
import {
  BROKER_SECURITY_CONFIG,
  prefixedSecurityConfig,
  type SecurityConfig,
  unprefixedSecurityConfig,
} from './security-config.ts'

const SCRAM = 'org.apache.kafka.common.security.scram.ScramLoginModule required'
const PLAIN = 'org.apache.kafka.common.security.plain.PlainLoginModule required'
const ANN = { 'sasl.username': 'ann', 'sasl.password': 'of ann' }

let directory: string

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'broker-security-'))
  const ec = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1']
  const files = ['-keyout', 'own.key', '-out', 'own.crt', '-subj', '/CN=own']
  const options = { cwd: directory, stdio: 'ignore' } as const
  execFileSync('openssl', ['req', '-x509', ...ec, '-passout', 'pass:of the key', ...files], options)
  writeFileSync(file('own.pem'), text('own.key') + text('own.crt'))
  writeFileSync(file('own.jks'), Buffer.from('feedfeed00000002', 'hex'))
  writeFileSync(file('own.txt'), '-----BEGIN CERTIFICATE-----\nnone\n-----END CERTIFICATE-----\n')
})
afterAll(() => rmSync(directory, { recursive: true, force: true }))

function file(name: string): string {
  return join(directory, name)
}

function text(name: string): string {
  return readFileSync(file(name), 'utf8')
}

/** Names of files in values begin with `@`. */
function load(values: Readonly<Record<string, string>>): SecurityConfig {
  const argv = Object.entries(values).map(([key, value]) =>
    value.startsWith('@') ? `--${key}=${file(value.slice(1))}` : `--${key}=${value}`,
  )
  return loadConfig(BROKER_SECURITY_CONFIG, { argv, env: {}, envPrefix: 'X_' }).config
}

test('nothing said is plain text, as nobody', () => {
  expect(brokerSecurityProblems(load({}))).toEqual([])
  expect(brokerSecurity(load({}))).toBeUndefined()
})

test('certificates and key come from files, or stand in the configuration', () => {
  const tls = { 'security.protocol': 'SSL', 'ssl.key.password': 'of the key' }
  const fromFiles = load({
    ...tls,
    'ssl.truststore.location': '@own.crt',
    'ssl.keystore.location': '@own.pem',
  })
  expect(brokerSecurityProblems(fromFiles)).toEqual([])
  expect(brokerSecurity(fromFiles)).toEqual({
    tls: {
      isNameChecked: true,
      ca: text('own.crt'),
      certificate: text('own.pem'),
      key: text('own.pem'),
      keyPassphrase: 'of the key',
    },
  })
  const inline = load({
    ...tls,
    'ssl.truststore.certificates': text('own.crt'),
    'ssl.keystore.certificate.chain': text('own.crt'),
    'ssl.keystore.key': text('own.key'),
    'ssl.endpoint.identification.algorithm': '',
  })
  expect(brokerSecurityProblems(inline)).toEqual([])
  expect(brokerSecurity(inline)).toEqual({
    tls: {
      isNameChecked: false,
      ca: text('own.crt').trim(),
      certificate: text('own.crt').trim(),
      key: text('own.key').trim(),
      keyPassphrase: 'of the key',
    },
  })
})

test.for([
  { mechanism: 'SCRAM-SHA-256', values: ANN },
  {
    mechanism: 'SCRAM-SHA-512',
    values: { 'sasl.jaas.config': `${SCRAM} username="ann" password="of ann";` },
  },
  {
    mechanism: 'PLAIN',
    values: { 'sasl.jaas.config': `${PLAIN} username="ann" password="of ann";` },
  },
])('who we are is said as librdkafka, or as Kafka does: $mechanism', ({ mechanism, values }) => {
  const config = load({
    'security.protocol': 'SASL_SSL',
    'sasl.mechanism': mechanism,
    ...values,
  })
  expect(brokerSecurityProblems(config)).toEqual([])
  expect(brokerSecurity(config)).toEqual({
    tls: { isNameChecked: true },
    sasl: { mechanism, username: 'ann', password: 'of ann' },
  })
})

const REFUSED: readonly (readonly [Readonly<Record<string, string>>, string])[] = [
  [{ 'security.protocol': 'SASL_SSL' }, 'sasl.username is empty'],
  [{ 'security.protocol': 'SASL_SSL', 'sasl.username': 'ann' }, 'sasl.password is empty'],
  [ANN, 'sasl.username is set and security.protocol is PLAINTEXT: set SASL_SSL'],
  [{ 'security.protocol': 'SSL', 'sasl.jaas.config': 'x' }, 'sasl.jaas.config is set and'],
  [
    { 'security.protocol': 'SASL_PLAINTEXT', 'sasl.mechanism': 'PLAIN', ...ANN },
    'would be readable on the way',
  ],
  [
    { 'security.protocol': 'SASL_SSL', 'sasl.jaas.config': `${SCRAM};`, ...ANN },
    'sasl.jaas.config and sasl.username are set',
  ],
  [
    { 'security.protocol': 'SASL_SSL', 'sasl.jaas.config': `${SCRAM} username="a"` },
    'sasl.jaas.config: ends with no semicolon',
  ],
  [
    { 'security.protocol': 'SASL_SSL', 'sasl.jaas.config': `${SCRAM} username="a";` },
    'sasl.jaas.config: has no password',
  ],
  [
    {
      'security.protocol': 'SASL_SSL',
      'sasl.jaas.config': `${SCRAM} username="a" password="b" tokenauth="true";`,
    },
    'the option tokenauth',
  ],
  [
    {
      'security.protocol': 'SASL_SSL',
      'sasl.jaas.config': `${PLAIN} username="a" password="b";`,
    },
    'does not go with sasl.mechanism SCRAM-SHA-512',
  ],
  [
    { 'security.protocol': 'SASL_SSL', 'sasl.jaas.config': 'com.Krb5LoginModule required;' },
    'com.Krb5LoginModule is none of',
  ],
  [{ 'ssl.truststore.location': '@own.crt' }, 'set SSL or SASL_SSL'],
  [
    { 'security.protocol': 'SSL', 'ssl.truststore.location': '@none.pem' },
    'ssl.truststore.location: ENOENT',
  ],
  [
    { 'security.protocol': 'SSL', 'ssl.truststore.location': '@own.jks' },
    'is not in PEM: keytool -importkeystore',
  ],
  [{ 'security.protocol': 'SSL', 'ssl.truststore.location': '@own.txt' }, 'location: error:'],
  [
    { 'security.protocol': 'SSL', 'ssl.truststore.certificates': 'none' },
    'ssl.truststore.certificates: error:',
  ],
  [
    {
      'security.protocol': 'SSL',
      'ssl.truststore.location': '@own.crt',
      'ssl.truststore.certificates': 'x',
    },
    'ssl.truststore.location and ssl.truststore.certificates are set',
  ],
  [
    { 'security.protocol': 'SSL', 'ssl.keystore.location': '@own.pem' },
    'ssl.keystore.location: error:',
  ],
  [
    { 'security.protocol': 'SSL', 'ssl.keystore.key': 'x' },
    'ssl.keystore.certificate.chain and ssl.keystore.key go together',
  ],
]

test.for(REFUSED)('%o is refused: %s', ([values, problem]) => {
  const problems = brokerSecurityProblems(load(values))
  expect(problems.join('\n')).toContain(problem)
  expect(problems.join('\n')).not.toContain('of ann')
})

test.for([
  [{ 'security.protocol': 'SSL', 'ssl.truststore.location': '@none.pem' }, 'ENOENT'],
  [{ 'security.protocol': 'SASL_SSL', 'sasl.jaas.config': `${SCRAM} x;` }, 'no value for x'],
] as const)('%o is not passed on: %s', ([values, problem]) => {
  expect(() => brokerSecurity(load(values))).toThrow(problem)
})

test('a JKS by its name is refused, and that PEM has no password is told', () => {
  expect(() => load({ 'ssl.truststore.type': 'JKS' })).toThrow(ConfigError)
  const argv = ['--ssl.truststore.password=changeit']
  const { warnings } = loadConfig(BROKER_SECURITY_CONFIG, { argv, env: {}, envPrefix: 'X_' })
  expect(warnings.join()).toContain('ssl.truststore.password')
})

test('behind a prefix the same keys say the same, and problems name them with it', () => {
  const spec = prefixedSecurityConfig('kafkastore.')
  const loadPrefixed = (...argv: readonly string[]) =>
    unprefixedSecurityConfig(
      'kafkastore.',
      loadConfig(spec, { argv, env: {}, envPrefix: 'X_' }).config,
    )
  const values = [
    '--kafkastore.security.protocol=SASL_PLAINTEXT',
    '--kafkastore.sasl.username=ann',
    '--kafkastore.sasl.password=of ann',
  ]
  const config = loadPrefixed(...values)
  expect(brokerSecurityProblems(config, 'kafkastore.')).toEqual([])
  expect(brokerSecurity(config)?.sasl?.username).toBe('ann')
  expect(
    brokerSecurityProblems(loadPrefixed(...values.slice(0, 2)), 'kafkastore.').join(),
  ).toContain(
    'kafkastore.sasl.password is empty and kafkastore.security.protocol is SASL_PLAINTEXT: say who we are, there or in kafkastore.sasl.jaas.config',
  )
})
