import { X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createSecureContext } from 'node:tls'
import { errorMessage } from '@fairlead/base'
import type { ClientSecurity, SaslCredentials, TlsSettings } from '@fairlead/kafka'
import { parseJaasConfig } from './jaas-config.ts'
import type { SecurityConfig } from './security-config.ts'

type Key = keyof SecurityConfig

/** How a key is told to the user: some apps have them behind a prefix. */
type KeyName = (key: Key) => string

/** By Kafka's names of the modules: how the mechanisms begin that they log in with. */
const LOGIN_MODULES: Readonly<Record<string, string>> = {
  'org.apache.kafka.common.security.plain.PlainLoginModule': 'PLAIN',
  'org.apache.kafka.common.security.scram.ScramLoginModule': 'SCRAM-',
}
const TLS_KEYS = [
  'ssl.truststore.location',
  'ssl.truststore.certificates',
  'ssl.keystore.location',
  'ssl.keystore.certificate.chain',
  'ssl.keystore.key',
] as const
const SASL_KEYS = ['sasl.jaas.config', 'sasl.username'] as const

/**
 * Undefined for plain text, as nobody.
 *
 * @throws {Error} for what `brokerSecurityProblems` complains of.
 */
export function brokerSecurity(config: SecurityConfig): ClientSecurity | undefined {
  if (config['security.protocol'] === 'PLAINTEXT') return undefined
  return {
    ...(hasTls(config) && { tls: tlsSettings(config, (key) => key) }),
    ...(hasSasl(config) && { sasl: saslCredentials(config, (key) => key) }),
  }
}

/**
 * What no single key can say, and what is wrong with the files that keys name; one line per problem.
 * The keys are told behind `prefix`.
 */
export function brokerSecurityProblems(config: SecurityConfig, prefix = ''): readonly string[] {
  const name: KeyName = (key) => prefix + key
  return [
    ...strayProblems(config, name),
    ...(hasSasl(config) ? saslProblems(config, name) : []),
    ...(hasTls(config) ? tlsProblems(config, name) : []),
  ]
}

function hasTls(config: SecurityConfig): boolean {
  return config['security.protocol'].endsWith('SSL')
}

function hasSasl(config: SecurityConfig): boolean {
  return config['security.protocol'].startsWith('SASL_')
}

/** Keys that would have no effect: whoever sets them believes in more safety than there is. */
function strayProblems(config: SecurityConfig, name: KeyName): readonly string[] {
  const stray = [
    ...(hasTls(config) ? [] : TLS_KEYS.map((key) => [key, 'SSL or SASL_SSL'] as const)),
    ...(hasSasl(config) ? [] : SASL_KEYS.map((key) => [key, 'SASL_SSL'] as const)),
  ]
  const protocol = `${name('security.protocol')} is ${config['security.protocol']}`
  return stray
    .filter(([key]) => config[key] !== '')
    .map(([key, better]) => `${name(key)} is set and ${protocol}: set ${better}`)
}

function saslProblems(config: SecurityConfig, name: KeyName): readonly string[] {
  const protocol = `${name('security.protocol')} is ${config['security.protocol']}`
  const problems: string[] = []
  if (config['security.protocol'] === 'SASL_PLAINTEXT' && config['sasl.mechanism'] === 'PLAIN') {
    problems.push(
      `${name('sasl.mechanism')} is PLAIN and ${protocol}: the password would be readable on the way; set SASL_SSL, or a SCRAM mechanism`,
    )
  }
  const jaas = config['sasl.jaas.config'] !== ''
  if (jaas && (config['sasl.username'] !== '' || config['sasl.password'] !== '')) {
    problems.push(
      `${name('sasl.jaas.config')} and ${name('sasl.username')} are set: leave one of them out`,
    )
  }
  if (!jaas && (config['sasl.username'] === '' || config['sasl.password'] === '')) {
    const missing = config['sasl.username'] === '' ? 'sasl.username' : 'sasl.password'
    problems.push(
      `${name(missing)} is empty and ${protocol}: say who we are, there or in ${name('sasl.jaas.config')}`,
    )
  }
  return [...problems, ...(jaas ? complaints(() => jaasCredentials(config, name)) : [])]
}

function tlsProblems(config: SecurityConfig, name: KeyName): readonly string[] {
  const both = [
    ['ssl.truststore.location', 'ssl.truststore.certificates'],
    ['ssl.keystore.location', 'ssl.keystore.certificate.chain'],
    ['ssl.keystore.location', 'ssl.keystore.key'],
  ] as const
  const problems = both
    .filter(([file, inline]) => config[file] !== '' && config[inline] !== '')
    .map(([file, inline]) => `${name(file)} and ${name(inline)} are set: leave one of them out`)
  const [chain, key] = ['ssl.keystore.certificate.chain', 'ssl.keystore.key'] as const
  if ((config[chain] === '') !== (config[key] === '')) {
    problems.push(`${name(chain)} and ${name(key)} go together: set both`)
  }
  return problems.length > 0 ? problems : complaints(() => tlsSettings(config, name))
}

function complaints(attempt: () => unknown): readonly string[] {
  try {
    attempt()
    return []
  } catch (error) {
    return [errorMessage(error)]
  }
}

function tlsSettings(config: SecurityConfig, name: KeyName): TlsSettings {
  return {
    isNameChecked: config['ssl.endpoint.identification.algorithm'] === 'https',
    ...trusted(config, name),
    ...ownCertificate(config, name),
  }
}

function trusted(config: SecurityConfig, name: KeyName): Pick<TlsSettings, 'ca'> {
  const key =
    config['ssl.truststore.location'] === ''
      ? 'ssl.truststore.certificates'
      : 'ssl.truststore.location'
  if (config[key] === '') return {}
  const ca = key === 'ssl.truststore.location' ? readPem(config, key, name) : config[key]
  // Node passes over what is no certificate, and would then trust nobody without saying why.
  checked(name(key), () => new X509Certificate(ca))
  return { ca }
}

function ownCertificate(
  config: SecurityConfig,
  name: KeyName,
): Pick<TlsSettings, 'certificate' | 'key' | 'keyPassphrase'> {
  const isFile = config['ssl.keystore.location'] !== ''
  if (!isFile && config['ssl.keystore.key'] === '') return {}
  // A file has both; each reader takes what it knows.
  const file = isFile ? readPem(config, 'ssl.keystore.location', name) : undefined
  const certificate = file ?? config['ssl.keystore.certificate.chain']
  const key = file ?? config['ssl.keystore.key']
  const passphrase = config['ssl.key.password']
  checked(name(isFile ? 'ssl.keystore.location' : 'ssl.keystore.key'), () =>
    createSecureContext({ cert: certificate, key, passphrase }),
  )
  return { certificate, key, ...(passphrase !== '' && { keyPassphrase: passphrase }) }
}

function readPem(
  config: SecurityConfig,
  key: 'ssl.truststore.location' | 'ssl.keystore.location',
  name: KeyName,
): string {
  const pem = checked(name(key), () => readFileSync(config[key], 'utf8'))
  if (pem.includes('-----BEGIN ')) return pem
  throw new Error(
    `${name(key)}: ${config[key]} is not in PEM: keytool -importkeystore makes PKCS12 of a JKS, and openssl pkcs12 -nodes PEM of that`,
  )
}

function checked<Value>(key: string, attempt: () => Value): Value {
  try {
    return attempt()
  } catch (error) {
    throw new Error(`${key}: ${errorMessage(error)}`, { cause: error })
  }
}

function saslCredentials(config: SecurityConfig, name: KeyName): SaslCredentials {
  if (config['sasl.jaas.config'] !== '') return jaasCredentials(config, name)
  return {
    mechanism: config['sasl.mechanism'],
    username: config['sasl.username'],
    password: config['sasl.password'],
  }
}

/** @throws {Error} that quotes nothing of what may be a password. */
function jaasCredentials(config: SecurityConfig, name: KeyName): SaslCredentials {
  const mechanism = config['sasl.mechanism']
  const key = name('sasl.jaas.config')
  const { loginModule, options } = checked(key, () => parseJaasConfig(config['sasl.jaas.config']))
  const mechanisms = LOGIN_MODULES[loginModule]
  if (mechanisms === undefined) {
    const known = Object.keys(LOGIN_MODULES).join(', ')
    throw new Error(`${key}: ${loginModule} is none of ${known}`)
  }
  if (!mechanism.startsWith(mechanisms)) {
    throw new Error(
      `${key}: ${loginModule} does not go with ${name('sasl.mechanism')} ${mechanism}`,
    )
  }
  const { username, password, ...others } = Object.fromEntries(options)
  if (username === undefined || password === undefined) {
    throw new Error(`${key}: has no ${username === undefined ? 'username' : 'password'}`)
  }
  const [unknown] = Object.keys(others)
  if (unknown === undefined) return { mechanism, username, password }
  throw new Error(`${key}: has the option ${unknown}, which is neither username nor password`)
}
