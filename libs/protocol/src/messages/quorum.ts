/** Voters and observers of the metadata log (KIP-595). */
export const DESCRIBE_QUORUM = {
  key: 55,
  versions: [0, 2],
  flexible: 0,
  request: {
    topics: {
      array: {
        topicName: { type: 'string' },
        partitions: {
          array: {
            partitionIndex: { type: 'int32' },
          },
        },
      },
    },
  },
  response: {
    errorCode: { type: 'errorCode' },
    errorMessage: { type: 'string', versions: '2+', nullable: '2+' },
    topics: {
      array: {
        topicName: { type: 'string' },
        partitions: {
          array: {
            partitionIndex: { type: 'int32' },
            errorCode: { type: 'errorCode' },
            errorMessage: { type: 'string', versions: '2+', nullable: '2+' },
            leaderId: { type: 'int32' },
            leaderEpoch: { type: 'int32' },
            highWatermark: { type: 'int64' },
            currentVoters: {
              array: {
                replicaId: { type: 'int32' },
                replicaDirectoryId: { type: 'uuid', versions: '2+' },
                logEndOffset: { type: 'int64' },
                lastFetchTimestamp: { type: 'int64', versions: '1+', default: -1 },
                lastCaughtUpTimestamp: { type: 'int64', versions: '1+', default: -1 },
              },
            },
            observers: {
              array: {
                replicaId: { type: 'int32' },
                replicaDirectoryId: { type: 'uuid', versions: '2+' },
                logEndOffset: { type: 'int64' },
                lastFetchTimestamp: { type: 'int64', versions: '1+', default: -1 },
                lastCaughtUpTimestamp: { type: 'int64', versions: '1+', default: -1 },
              },
            },
          },
        },
      },
    },
    nodes: {
      versions: '2+',
      array: {
        nodeId: { type: 'int32', versions: '2+' },
        listeners: {
          versions: '2+',
          array: {
            name: { type: 'string', versions: '2+' },
            host: { type: 'string', versions: '2+' },
            port: { type: 'uint16', versions: '2+' },
          },
        },
      },
    },
  },
} as const

/** Changes the levels of finalized features (KIP-584). */
export const UPDATE_FEATURES = {
  key: 57,
  versions: [0, 2],
  flexible: 0,
  request: {
    timeoutMs: { type: 'int32', default: 60000 },
    featureUpdates: {
      array: {
        feature: { type: 'string' },
        maxVersionLevel: { type: 'int16' },
        allowDowngrade: { type: 'bool', versions: '0' },
        upgradeType: { type: 'int8', versions: '1+', default: 1 },
      },
    },
    validateOnly: { type: 'bool', versions: '1+', default: false },
  },
  response: {
    throttleTimeMs: { type: 'int32', default: 0 },
    errorCode: { type: 'errorCode' },
    errorMessage: { type: 'string', nullable: '0+' },
    results: {
      versions: '0-1',
      array: {
        feature: { type: 'string' },
        errorCode: { type: 'errorCode' },
        errorMessage: { type: 'string', nullable: '0+' },
      },
    },
  },
} as const
