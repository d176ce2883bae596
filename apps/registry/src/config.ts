import { COMPATIBILITY_LEVELS } from '@fairlead/schemas'
import { defineConfig } from '@fairlead/service'

/** Keys in the names of Confluent's registry, where it has one. */
export const REGISTRY_CONFIG = defineConfig({
  'kafkastore.bootstrap.servers': {
    type: 'list',
    default: ['127.0.0.1:9092'],
    doc: 'Brokers that hold the topic of the registry, as host:port.',
  },
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
    doc: 'JSON file of users and what they may do; nobody may do anything that it does not say.',
  },
  profile: {
    type: 'enum',
    default: '8',
    values: ['7', '8'],
    doc: "Major version of Confluent's registry to answer like: error codes, members of bodies, what is valid.",
  },
  'schema.registry.group.id': {
    type: 'string',
    default: 'schema-registry',
    doc: 'Name of this cluster of registries, as /v1/metadata/id tells it.',
  },
})
