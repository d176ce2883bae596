/** Reads whole record batches, for consumers and (with a replica id) for followers. */
export const FETCH = {
  key: 1,
  versions: [4, 18],
  flexible: 12,
  request: {
    clusterId: { type: 'string', versions: '12+', nullable: '12+', tag: 0, default: null },
    replicaId: { type: 'int32', versions: '4-14', default: -1 },
    replicaState: {
      versions: '15+',
      tag: 1,
      struct: {
        replicaId: { type: 'int32', default: -1 },
        replicaEpoch: { type: 'int64', default: -1 },
      },
    },
    maxWaitMs: { type: 'int32' },
    minBytes: { type: 'int32' },
    maxBytes: { type: 'int32', default: 0x7fff_ffff },
    isolationLevel: { type: 'int8', default: 0 },
    sessionId: { type: 'int32', versions: '7+', default: 0 },
    sessionEpoch: { type: 'int32', versions: '7+', default: -1 },
    topics: {
      array: {
        topic: { type: 'string', versions: '4-12' },
        topicId: { type: 'uuid', versions: '13+' },
        partitions: {
          array: {
            partition: { type: 'int32' },
            currentLeaderEpoch: { type: 'int32', versions: '9+', default: -1 },
            fetchOffset: { type: 'int64' },
            lastFetchedEpoch: { type: 'int32', versions: '12+', default: -1 },
            logStartOffset: { type: 'int64', versions: '5+', default: -1 },
            partitionMaxBytes: { type: 'int32' },
            replicaDirectoryId: { type: 'uuid', versions: '17+', tag: 0 },
            highWatermark: {
              type: 'int64',
              versions: '18+',
              tag: 1,
              // Stands for Long.MAX_VALUE, which no number holds; a default is never on the wire.
              default: 9007199254740991,
            },
          },
        },
      },
    },
    forgottenTopicsData: {
      versions: '7+',
      array: {
        topic: { type: 'string', versions: '7-12' },
        topicId: { type: 'uuid', versions: '13+' },
        partitions: { array: 'int32' },
      },
    },
    rackId: { type: 'string', versions: '11+', default: '' },
  },
  response: {
    throttleTimeMs: { type: 'int32', default: 0 },
    errorCode: { type: 'errorCode', versions: '7+' },
    sessionId: { type: 'int32', versions: '7+', default: 0 },
    responses: {
      array: {
        topic: { type: 'string', versions: '4-12' },
        topicId: { type: 'uuid', versions: '13+' },
        partitions: {
          array: {
            partitionIndex: { type: 'int32' },
            errorCode: { type: 'errorCode' },
            highWatermark: { type: 'int64' },
            lastStableOffset: { type: 'int64', default: -1 },
            logStartOffset: { type: 'int64', versions: '5+', default: -1 },
            divergingEpoch: {
              versions: '12+',
              tag: 0,
              struct: {
                epoch: { type: 'int32', default: -1 },
                endOffset: { type: 'int64', default: -1 },
              },
            },
            currentLeader: {
              versions: '12+',
              tag: 1,
              struct: {
                leaderId: { type: 'int32', default: -1 },
                leaderEpoch: { type: 'int32', default: -1 },
              },
            },
            snapshotId: {
              versions: '12+',
              tag: 2,
              struct: {
                endOffset: { type: 'int64', default: -1 },
                epoch: { type: 'int32', default: -1 },
              },
            },
            abortedTransactions: {
              nullable: '4+',
              array: {
                producerId: { type: 'int64' },
                firstOffset: { type: 'int64' },
              },
            },
            preferredReadReplica: { type: 'int32', versions: '11+', default: -1 },
            records: { type: 'records', nullable: '0+' },
          },
        },
      },
    },
    nodeEndpoints: {
      versions: '16+',
      tag: 0,
      array: {
        nodeId: { type: 'int32' },
        host: { type: 'string' },
        port: { type: 'int32' },
        rack: { type: 'string', nullable: '0+', default: null },
      },
    },
  },
} as const
