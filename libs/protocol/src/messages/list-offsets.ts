/** Looks offsets up by timestamp; negative timestamps are positions, such as -1 latest. */
export const LIST_OFFSETS = {
  key: 2,
  versions: [1, 11],
  flexible: 6,
  request: {
    replicaId: { type: 'int32' },
    isolationLevel: { type: 'int8', versions: '2+' },
    topics: {
      array: {
        name: { type: 'string' },
        partitions: {
          array: {
            partitionIndex: { type: 'int32' },
            currentLeaderEpoch: { type: 'int32', versions: '4+', default: -1 },
            timestamp: { type: 'int64' },
          },
        },
      },
    },
    timeoutMs: { type: 'int32', versions: '10+' },
  },
  response: {
    throttleTimeMs: { type: 'int32', versions: '2+', default: 0 },
    topics: {
      array: {
        name: { type: 'string' },
        partitions: {
          array: {
            partitionIndex: { type: 'int32' },
            errorCode: { type: 'errorCode' },
            timestamp: { type: 'int64', default: -1 },
            offset: { type: 'int64', default: -1 },
            leaderEpoch: { type: 'int32', versions: '4+', default: -1 },
          },
        },
      },
    },
  },
} as const
