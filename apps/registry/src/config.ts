import {
  brokerSecurityProblems,
  prefixedSecurityConfig,
  unprefixedSecurityConfig,
} from '@fairlead/broker-security'
import { COMPATIBILITY_LEVELS } from '@fairlead/schemas'
import { type ConfigOf, defineConfig } from '@fairlead/service'
import { parseListener } from './http/listeners.ts'
import { tlsProblems } from './security/tls.ts'

/** How Confluent's registry begins the keys of its own clients of Kafka. */
export const KAFKASTORE = 'kafkastore.'

/** Keys in the names of Confluent's registry, where it has one. */
export const REGISTRY_CONFIG = defineConfig({
  'kafkastore.bootstrap.servers': {
    type: 'list',
    default: ['127.0.0.1:9092'],
    doc: 'Brokers that hold the topic of the registry, as host:port.',
  },
  ...prefixedSecurityConfig(KAFKASTORE),
  'kafkastore.topic': {
    type: 'string',
    default: '_schemas',
    doc: 'Topic of the registry: one partition, compacted.',
  },
  'kafkastore.topic.replication.factor': {
    type: 'int',
    default: -1,
    min: -1,
    max: 32_767,
    doc: 'Replicas of the topic when the registry creates it; -1 takes the default of the brokers.',
  },
  'kafkastore.timeout.ms': {
    type: 'int',
    default: 5_000,
    min: 1,
    max: 600_000,
    doc: 'How long a request waits for the topic before it fails with 50002.',
  },
  'schema.compatibility.level': {
    type: 'enum',
    default: 'backward',
    values: [...COMPATIBILITY_LEVELS.map((level) => level.toLowerCase()), ...COMPATIBILITY_LEVELS],
    doc: 'Compatibility level where neither the subject nor PUT /config sets one.',
  },
  listeners: {
    type: 'list',
    default: [],
    doc: 'Addresses of the API, as http://host:port or https://host:port; then http.host and http.port have health and metrics only. Empty: the API is there, too.',
  },
  'ssl.keystore.location': {
    type: 'string',
    default: '',
    doc: 'File with the private key and the certificates of https listeners.',
  },
  'ssl.keystore.type': {
    type: 'enum',
    default: 'PEM',
    values: ['PEM', 'PKCS12'],
    doc: 'PEM, or PKCS12, into which keytool -importkeystore converts a JKS.',
  },
  'ssl.keystore.password': {
    type: 'string',
    default: '',
    secret: true,
    doc: 'Password of a PKCS12 keystore.',
  },
  'ssl.key.password': {
    type: 'string',
    default: '',
    secret: true,
    doc: 'Password of the private key in a PEM keystore, if it has one.',
  },
  'ssl.truststore.location': {
    type: 'string',
    default: '',
    doc: 'PEM file with the certificates of those who sign for clients.',
  },
  'ssl.client.authentication': {
    type: 'enum',
    default: 'NONE',
    values: ['NONE', 'REQUESTED', 'REQUIRED'],
    doc: 'Whether clients have to show a certificate; REQUIRED lets nobody in without one.',
  },
  'ssl.enabled.protocols': {
    type: 'list',
    default: ['TLSv1.2', 'TLSv1.3'],
    doc: 'Versions of TLS: TLSv1.2, TLSv1.3, or both.',
  },
  'ssl.keystore.reload': {
    type: 'boolean',
    default: true,
    doc: 'Read the files of keystore and truststore again when they change; new connections use them.',
  },
  'dos.filter.enabled': {
    type: 'boolean',
    default: false,
    doc: 'Refuse, with 429, requests beyond the rates of dos.filter.…',
  },
  'dos.filter.max.requests.per.sec': {
    type: 'int',
    default: 25,
    min: 1,
    max: 1_000_000,
    doc: 'Requests per second of all clients together.',
  },
  'dos.filter.max.requests.per.connection.per.sec': {
    type: 'int',
    default: 25,
    min: 1,
    max: 1_000_000,
    doc: 'Requests per second of one user, or of one address without a user.',
  },
  'dos.filter.delay.ms': {
    type: 'int',
    default: -1,
    min: -1,
    max: -1,
    doc: 'What happens beyond a rate: -1 refuses at once. Nothing is delayed.',
  },
  'authentication.method': {
    type: 'enum',
    default: 'NONE',
    values: ['NONE', 'BASIC'],
    doc: 'BASIC asks for a name and a password, or a bearer token, of authentication.users.file.',
  },
  'authentication.realm': {
    type: 'string',
    default: 'schema-registry',
    doc: 'What browsers show when they ask for a password.',
  },
  'authentication.users.file': {
    type: 'string',
    default: '',
    doc: 'JSON file of users and what they may do; nobody may do anything that it does not say. It is read again when it changes.',
  },
  profile: {
    type: 'enum',
    default: '8',
    values: ['7', '8'],
    doc: "Major version of Confluent's registry to answer like: error codes, members of bodies, what is valid.",
  },
  'associations.enable': {
    type: 'boolean',
    default: true,
    doc: 'Serve /associations: which subjects the keys and values of topics have their schemas in.',
  },
  'schema.registry.group.id': {
    type: 'string',
    default: 'schema-registry',
    doc: 'Name of this cluster of registries, as /v1/metadata/id tells it.',
  },
})

export type RegistryConfig = ConfigOf<typeof REGISTRY_CONFIG>

/** Rules over several keys. */
export function registryConfigProblems(config: RegistryConfig): string[] {
  const listeners = config.listeners.map((text) => [text, parseListener(text)] as const)
  const unreadable = listeners
    .filter(([, listener]) => listener === undefined)
    .map(([text]) => `listeners: "${text}" must be http://host:port or https://host:port`)
  const unknown = config['ssl.enabled.protocols']
    .filter((protocol) => !['TLSv1.2', 'TLSv1.3'].includes(protocol))
    .map((protocol) => `ssl.enabled.protocols: "${protocol}" must be TLSv1.2 or TLSv1.3`)
  const isSecure = listeners.some(([, listener]) => listener?.scheme === 'https')
  const isGuarded = config['authentication.method'] === 'BASIC'
  return [
    ...unreadable,
    ...unknown,
    ...brokerSecurityProblems(unprefixedSecurityConfig(KAFKASTORE, config), KAFKASTORE),
    ...(isSecure ? tlsProblems(config) : []),
    ...(isGuarded && config['authentication.users.file'] === ''
      ? ['authentication.users.file: authentication.method=BASIC needs a file of users']
      : []),
  ]
}
