import { readFileSync } from 'node:fs'
import { errorMessage } from '@fairlead/base'
import type { ClientSecurity, SaslCredentials, TlsSettings } from '@fairlead/kafka'
import { type ConfigOf, defineConfig } from '@fairlead/service'

/** Kafka's names for how its clients speak to brokers; of passwords librdkafka's. Files are in PEM. */
export const BROKER_SECURITY_CONFIG = defineConfig({
  'security.protocol': {
    type: 'enum',
    values: ['PLAINTEXT', 'SSL', 'SASL_PLAINTEXT', 'SASL_SSL'],
    default: 'PLAINTEXT',
    doc: 'How brokers are spoken to: SSL with TLS, SASL with a password.',
  },
  'ssl.truststore.location': {
    type: 'string',
    default: '',
    doc: 'File with the certificates of those who may vouch for a broker, in PEM. Default: those that Node knows.',
  },
  'ssl.keystore.location': {
    type: 'string',
    default: '',
    doc: "File with the relay's own certificate, its chain and its key, in PEM, for brokers that ask for one.",
  },
  'ssl.key.password': {
    type: 'string',
    secret: true,
    default: '',
    doc: 'Of the key in ssl.keystore.location.',
  },
  'ssl.endpoint.identification.algorithm': {
    type: 'enum',
    values: ['https', 'none'],
    default: 'https',
    doc: 'https: the certificate of a broker has to name its host; none: any name will do.',
  },
  'sasl.mechanism': {
    type: 'enum',
    values: ['PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512'],
    default: 'SCRAM-SHA-512',
    doc: 'How the password is proved. PLAIN sends it: only with SASL_SSL.',
  },
  'sasl.username': { type: 'string', default: '', doc: 'Who the relay is to the brokers.' },
  'sasl.password': { type: 'string', secret: true, default: '', doc: 'Of sasl.username.' },
})

type SecurityConfig = ConfigOf<typeof BROKER_SECURITY_CONFIG>

/** Undefined for plain text. @throws {Error} for a file that cannot be read. */
export function brokerSecurity(config: SecurityConfig): ClientSecurity | undefined {
  const protocol = config['security.protocol']
  if (protocol === 'PLAINTEXT') return undefined
  return {
    ...(protocol !== 'SASL_PLAINTEXT' && { tls: tlsSettings(config) }),
    ...(protocol !== 'SSL' && { sasl: saslCredentials(config) }),
  }
}

/** What no single key can say; one line per problem. */
export function brokerSecurityProblems(config: SecurityConfig): readonly string[] {
  const protocol = config['security.protocol']
  const problems: string[] = []
  const hasUser = config['sasl.username'] !== ''
  if (protocol.startsWith('SASL_') && !hasUser) {
    problems.push(
      `security.protocol is ${protocol} and sasl.username is empty: say who the relay is`,
    )
  }
  if (!protocol.startsWith('SASL_') && hasUser) {
    problems.push(
      `sasl.username is set and security.protocol is ${protocol}: nobody would ask for it; set SASL_SSL`,
    )
  }
  if (protocol === 'SASL_PLAINTEXT' && config['sasl.mechanism'] === 'PLAIN') {
    problems.push(
      'sasl.mechanism is PLAIN and security.protocol is SASL_PLAINTEXT: the password would be readable on the way; set SASL_SSL, or a SCRAM mechanism',
    )
  }
  const hasTls = protocol === 'SSL' || protocol === 'SASL_SSL'
  for (const key of ['ssl.truststore.location', 'ssl.keystore.location'] as const) {
    if (config[key] !== '' && !hasTls) {
      problems.push(`${key} is set and security.protocol is ${protocol}: set SSL or SASL_SSL`)
    }
  }
  return problems
}

function tlsSettings(config: SecurityConfig): TlsSettings {
  const ca = readPem(config, 'ssl.truststore.location')
  const keystore = readPem(config, 'ssl.keystore.location')
  const keyPassphrase = config['ssl.key.password']
  return {
    isNameChecked: config['ssl.endpoint.identification.algorithm'] === 'https',
    ...(ca !== undefined && { ca }),
    // The file has both; each reader takes what it knows.
    ...(keystore !== undefined && { certificate: keystore, key: keystore }),
    ...(keyPassphrase !== '' && { keyPassphrase }),
  }
}

function saslCredentials(config: SecurityConfig): SaslCredentials {
  return {
    mechanism: config['sasl.mechanism'],
    username: config['sasl.username'],
    password: config['sasl.password'],
  }
}

function readPem(
  config: SecurityConfig,
  key: 'ssl.truststore.location' | 'ssl.keystore.location',
): string | undefined {
  const path = config[key]
  if (path === '') return undefined
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    throw new Error(`${key}: ${errorMessage(error)}`, { cause: error })
  }
}
