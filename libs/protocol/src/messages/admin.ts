export const CREATE_TOPICS = {
  key: 19,
  versions: [2, 7],
  flexible: 5,
  request: {
    topics: {
      array: {
        name: { type: 'string' },
        numPartitions: { type: 'int32' },
        replicationFactor: { type: 'int16' },
        assignments: {
          array: { partitionIndex: { type: 'int32' }, brokerIds: { array: 'int32' } },
        },
        configs: {
          array: { name: { type: 'string' }, value: { type: 'string', nullable: '0+' } },
        },
      },
    },
    timeoutMs: { type: 'int32', default: 60_000 },
    validateOnly: { type: 'bool', default: false },
  },
  response: {
    throttleTimeMs: { type: 'int32', default: 0 },
    topics: {
      array: {
        name: { type: 'string' },
        topicId: { type: 'uuid', versions: '7+' },
        errorCode: { type: 'errorCode' },
        errorMessage: { type: 'string', nullable: '1+' },
        topicConfigErrorCode: { type: 'errorCode', versions: '5+', tag: 0, default: 'NONE' },
        numPartitions: { type: 'int32', versions: '5+', default: -1 },
        replicationFactor: { type: 'int16', versions: '5+', default: -1 },
        configs: {
          versions: '5+',
          nullable: '5+',
          array: {
            name: { type: 'string' },
            value: { type: 'string', nullable: '5+' },
            readOnly: { type: 'bool' },
            configSource: { type: 'int8', default: -1 },
            isSensitive: { type: 'bool' },
          },
        },
      },
    },
  },
} as const

export const DELETE_TOPICS = {
  key: 20,
  versions: [1, 6],
  flexible: 4,
  request: {
    topics: {
      versions: '6+',
      array: {
        name: { type: 'string', nullable: '6+', default: null },
        topicId: { type: 'uuid' },
      },
    },
    topicNames: { array: 'string', versions: '0-5' },
    timeoutMs: { type: 'int32' },
  },
  response: {
    throttleTimeMs: { type: 'int32', default: 0 },
    responses: {
      array: {
        name: { type: 'string', nullable: '6+' },
        topicId: { type: 'uuid', versions: '6+' },
        errorCode: { type: 'errorCode' },
        errorMessage: { type: 'string', versions: '5+', nullable: '5+', default: null },
      },
    },
  },
} as const

export const INIT_PRODUCER_ID = {
  key: 22,
  versions: [0, 5],
  flexible: 2,
  request: {
    transactionalId: { type: 'string', nullable: '0+' },
    transactionTimeoutMs: { type: 'int32' },
    producerId: { type: 'int64', versions: '3+', default: -1 },
    producerEpoch: { type: 'int16', versions: '3+', default: -1 },
  },
  response: {
    throttleTimeMs: { type: 'int32', default: 0 },
    errorCode: { type: 'errorCode' },
    producerId: { type: 'int64', default: -1 },
    producerEpoch: { type: 'int16' },
  },
} as const

export const DESCRIBE_CONFIGS = {
  key: 32,
  versions: [1, 4],
  flexible: 4,
  request: {
    resources: {
      array: {
        resourceType: { type: 'int8' },
        resourceName: { type: 'string' },
        configurationKeys: { array: 'string', nullable: '0+' },
      },
    },
    includeSynonyms: { type: 'bool', default: false },
    includeDocumentation: { type: 'bool', versions: '3+', default: false },
  },
  response: {
    throttleTimeMs: { type: 'int32', default: 0 },
    results: {
      array: {
        errorCode: { type: 'errorCode' },
        errorMessage: { type: 'string', nullable: '0+' },
        resourceType: { type: 'int8' },
        resourceName: { type: 'string' },
        configs: {
          array: {
            name: { type: 'string' },
            value: { type: 'string', nullable: '0+' },
            readOnly: { type: 'bool' },
            configSource: { type: 'int8', default: -1 },
            isSensitive: { type: 'bool' },
            synonyms: {
              array: {
                name: { type: 'string' },
                value: { type: 'string', nullable: '0+' },
                source: { type: 'int8' },
              },
            },
            configType: { type: 'int8', versions: '3+', default: 0 },
            documentation: { type: 'string', versions: '3+', nullable: '0+' },
          },
        },
      },
    },
  },
} as const

export const DESCRIBE_CLUSTER = {
  key: 60,
  versions: [0, 2],
  flexible: 0,
  request: {
    includeClusterAuthorizedOperations: { type: 'bool' },
    endpointType: { type: 'int8', versions: '1+', default: 1 },
    includeFencedBrokers: { type: 'bool', versions: '2+' },
  },
  response: {
    throttleTimeMs: { type: 'int32', default: 0 },
    errorCode: { type: 'errorCode' },
    errorMessage: { type: 'string', nullable: '0+', default: null },
    endpointType: { type: 'int8', versions: '1+', default: 1 },
    clusterId: { type: 'string' },
    controllerId: { type: 'int32', default: -1 },
    brokers: {
      array: {
        brokerId: { type: 'int32' },
        host: { type: 'string' },
        port: { type: 'int32' },
        rack: { type: 'string', nullable: '0+', default: null },
        isFenced: { type: 'bool', versions: '2+' },
      },
    },
    clusterAuthorizedOperations: { type: 'int32', default: -2147483648 },
  },
} as const
