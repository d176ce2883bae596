import { type ConfigOf, defineConfig } from '@fairlead/service'

const PEM_HAS_NONE = 'files are in PEM, where a private key alone has a password: ssl.key.password'

/** Kafka's names for how its clients speak to brokers; of user and password librdkafka's, too. */
export const BROKER_SECURITY_CONFIG = defineConfig({
  'security.protocol': {
    type: 'enum',
    values: ['PLAINTEXT', 'SSL', 'SASL_PLAINTEXT', 'SASL_SSL'],
    default: 'PLAINTEXT',
    doc: 'How brokers are spoken to: SSL with TLS, SASL with a password.',
  },
  'ssl.truststore.type': {
    type: 'enum',
    values: ['PEM'],
    default: 'PEM',
    doc: 'Of ssl.truststore.location: PEM alone.',
  },
  'ssl.truststore.location': {
    type: 'string',
    default: '',
    doc: 'File with the certificates of those who may vouch for a broker, in PEM. Default: those that Node knows.',
  },
  'ssl.truststore.certificates': {
    type: 'string',
    default: '',
    doc: 'The certificates themselves, instead of ssl.truststore.location.',
  },
  'ssl.truststore.password': { type: 'unsupported', secret: true, doc: PEM_HAS_NONE },
  'ssl.keystore.type': {
    type: 'enum',
    values: ['PEM'],
    default: 'PEM',
    doc: 'Of ssl.keystore.location: PEM alone.',
  },
  'ssl.keystore.location': {
    type: 'string',
    default: '',
    doc: 'File with our own certificate, its chain and its key, in PEM, for brokers that ask for one.',
  },
  'ssl.keystore.certificate.chain': {
    type: 'string',
    default: '',
    doc: 'The certificate and its chain themselves, with ssl.keystore.key instead of ssl.keystore.location.',
  },
  'ssl.keystore.key': {
    type: 'string',
    secret: true,
    default: '',
    doc: 'The private key of ssl.keystore.certificate.chain itself.',
  },
  'ssl.keystore.password': { type: 'unsupported', secret: true, doc: PEM_HAS_NONE },
  'ssl.key.password': {
    type: 'string',
    secret: true,
    default: '',
    doc: 'Of the private key, if it has one.',
  },
  'ssl.endpoint.identification.algorithm': {
    type: 'enum',
    values: ['https', 'none', ''],
    default: 'https',
    doc: 'https: the certificate of a broker has to name its host; none, or empty: any name will do.',
  },
  'sasl.mechanism': {
    type: 'enum',
    values: ['PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512'],
    default: 'SCRAM-SHA-512',
    doc: 'How the password is proved. PLAIN sends it: only with SASL_SSL.',
  },
  'sasl.jaas.config': {
    type: 'string',
    secret: true,
    default: '',
    doc: 'User and password as Kafka has them: ScramLoginModule or PlainLoginModule, required, username="…" password="…";',
  },
  'sasl.username': {
    type: 'string',
    default: '',
    doc: 'Who we are to the brokers, instead of sasl.jaas.config.',
  },
  'sasl.password': { type: 'string', secret: true, default: '', doc: 'Of sasl.username.' },
})

type SecuritySpec = typeof BROKER_SECURITY_CONFIG

export type SecurityConfig = ConfigOf<SecuritySpec>

type PrefixedSpec<Prefix extends string> = {
  readonly [Key in keyof SecuritySpec as `${Prefix}${Key}`]: SecuritySpec[Key]
}

export type PrefixedSecurityConfig<Prefix extends string> = ConfigOf<PrefixedSpec<Prefix>>

/** The same keys behind a prefix, such as `kafkastore.`. */
export function prefixedSecurityConfig<Prefix extends string>(
  prefix: Prefix,
): PrefixedSpec<Prefix> {
  const entries = Object.entries(BROKER_SECURITY_CONFIG)
  return Object.fromEntries(
    entries.map(([key, spec]) => [`${prefix}${key}`, spec]),
  ) as PrefixedSpec<Prefix>
}

/** What an app was told behind a prefix, by Kafka's names. */
export function unprefixedSecurityConfig<Prefix extends string>(
  prefix: Prefix,
  config: PrefixedSecurityConfig<Prefix>,
): SecurityConfig {
  const values: Readonly<Record<string, unknown>> = config
  return Object.fromEntries(
    Object.keys(BROKER_SECURITY_CONFIG).map((key) => [key, values[`${prefix}${key}`]]),
  ) as SecurityConfig
}
