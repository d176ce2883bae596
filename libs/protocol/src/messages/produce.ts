/** Appends record batches. Versions 0 to 2 carried message sets of magic 0 and 1. */
export const PRODUCE = {
  key: 0,
  versions: [3, 13],
  advertised: [0, 13],
  flexible: 9,
  request: {
    transactionalId: { type: 'string', nullable: '3+', default: null },
    acks: { type: 'int16' },
    timeoutMs: { type: 'int32' },
    topicData: {
      array: {
        name: { type: 'string', versions: '3-12' },
        topicId: { type: 'uuid', versions: '13+' },
        partitionData: {
          array: {
            index: { type: 'int32' },
            records: { type: 'records', nullable: '0+' },
          },
        },
      },
    },
  },
  response: {
    responses: {
      array: {
        name: { type: 'string', versions: '3-12' },
        topicId: { type: 'uuid', versions: '13+' },
        partitionResponses: {
          array: {
            index: { type: 'int32' },
            errorCode: { type: 'errorCode' },
            baseOffset: { type: 'int64' },
            logAppendTimeMs: { type: 'int64', default: -1 },
            logStartOffset: { type: 'int64', versions: '5+', default: -1 },
            recordErrors: {
              versions: '8+',
              array: {
                batchIndex: { type: 'int32' },
                batchIndexErrorMessage: { type: 'string', nullable: '8+', default: null },
              },
            },
            errorMessage: { type: 'string', versions: '8+', nullable: '8+', default: null },
            currentLeader: {
              versions: '10+',
              tag: 0,
              struct: {
                leaderId: { type: 'int32', default: -1 },
                leaderEpoch: { type: 'int32', default: -1 },
              },
            },
          },
        },
      },
    },
    throttleTimeMs: { type: 'int32', default: 0 },
    nodeEndpoints: {
      versions: '10+',
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
