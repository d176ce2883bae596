/** Directories of a broker, and the size of each replica in them (KIP-113). */
export const DESCRIBE_LOG_DIRS = {
  key: 35,
  versions: [1, 5],
  flexible: 2,
  request: {
    topics: {
      nullable: '0+',
      array: {
        topic: { type: 'string' },
        partitions: { array: 'int32' },
      },
    },
  },
  response: {
    throttleTimeMs: { type: 'int32', default: 0 },
    errorCode: { type: 'errorCode', versions: '3+' },
    results: {
      array: {
        errorCode: { type: 'errorCode' },
        logDir: { type: 'string' },
        topics: {
          array: {
            name: { type: 'string' },
            partitions: {
              array: {
                partitionIndex: { type: 'int32' },
                partitionSize: { type: 'int64' },
                offsetLag: { type: 'int64' },
                isFutureKey: { type: 'bool' },
              },
            },
          },
        },
        totalBytes: { type: 'int64', versions: '4+', default: -1 },
        usableBytes: { type: 'int64', versions: '4+', default: -1 },
        isCordoned: { type: 'bool', versions: '5+', default: false },
      },
    },
  },
} as const

/** Moves replicas between the directories of a broker (KIP-113). */
export const ALTER_REPLICA_LOG_DIRS = {
  key: 34,
  versions: [1, 2],
  flexible: 2,
  request: {
    dirs: {
      array: {
        path: { type: 'string' },
        topics: {
          array: {
            name: { type: 'string' },
            partitions: { array: 'int32' },
          },
        },
      },
    },
  },
  response: {
    throttleTimeMs: { type: 'int32', default: 0 },
    results: {
      array: {
        topicName: { type: 'string' },
        partitions: {
          array: {
            partitionIndex: { type: 'int32' },
            errorCode: { type: 'errorCode' },
          },
        },
      },
    },
  },
} as const
