export const OFFSET_COMMIT = {
  key: 8,
  versions: [2, 10],
  flexible: 8,
  request: {
    groupId: { type: 'string' },
    generationIdOrMemberEpoch: { type: 'int32', default: -1 },
    memberId: { type: 'string' },
    groupInstanceId: { type: 'string', versions: '7+', nullable: '7+', default: null },
    retentionTimeMs: { type: 'int64', versions: '2-4', default: -1 },
    topics: {
      array: {
        name: { type: 'string', versions: '0-9' },
        topicId: { type: 'uuid', versions: '10+' },
        partitions: {
          array: {
            partitionIndex: { type: 'int32' },
            committedOffset: { type: 'int64' },
            committedLeaderEpoch: { type: 'int32', versions: '6+', default: -1 },
            committedMetadata: { type: 'string', nullable: '0+' },
          },
        },
      },
    },
  },
  response: {
    throttleTimeMs: { type: 'int32', versions: '3+' },
    topics: {
      array: {
        name: { type: 'string', versions: '0-9' },
        topicId: { type: 'uuid', versions: '10+' },
        partitions: {
          array: { partitionIndex: { type: 'int32' }, errorCode: { type: 'errorCode' } },
        },
      },
    },
  },
} as const

export const OFFSET_FETCH = {
  key: 9,
  versions: [1, 10],
  flexible: 6,
  request: {
    groupId: { type: 'string', versions: '0-7' },
    topics: {
      versions: '0-7',
      nullable: '2-7',
      array: { name: { type: 'string' }, partitionIndexes: { array: 'int32' } },
    },
    groups: {
      versions: '8+',
      array: {
        groupId: { type: 'string' },
        memberId: { type: 'string', versions: '9+', nullable: '9+', default: null },
        memberEpoch: { type: 'int32', versions: '9+', default: -1 },
        topics: {
          nullable: '8+',
          array: {
            name: { type: 'string', versions: '8-9' },
            topicId: { type: 'uuid', versions: '10+' },
            partitionIndexes: { array: 'int32' },
          },
        },
      },
    },
    requireStable: { type: 'bool', versions: '7+', default: false },
  },
  response: {
    throttleTimeMs: { type: 'int32', versions: '3+' },
    topics: {
      versions: '0-7',
      array: {
        name: { type: 'string' },
        partitions: {
          array: {
            partitionIndex: { type: 'int32' },
            committedOffset: { type: 'int64' },
            committedLeaderEpoch: { type: 'int32', versions: '5+', default: -1 },
            metadata: { type: 'string', nullable: '0+' },
            errorCode: { type: 'errorCode' },
          },
        },
      },
    },
    errorCode: { type: 'errorCode', versions: '2-7', default: 'NONE' },
    groups: {
      versions: '8+',
      array: {
        groupId: { type: 'string' },
        topics: {
          array: {
            name: { type: 'string', versions: '8-9' },
            topicId: { type: 'uuid', versions: '10+' },
            partitions: {
              array: {
                partitionIndex: { type: 'int32' },
                committedOffset: { type: 'int64' },
                committedLeaderEpoch: { type: 'int32', versions: '5+', default: -1 },
                metadata: { type: 'string', nullable: '0+' },
                errorCode: { type: 'errorCode' },
              },
            },
          },
        },
        errorCode: { type: 'errorCode', default: 'NONE' },
      },
    },
  },
} as const

export const OFFSET_DELETE = {
  key: 47,
  versions: [0, 0],
  // Never flexible: a version that does not exist.
  flexible: 1,
  request: {
    groupId: { type: 'string' },
    topics: {
      array: {
        name: { type: 'string' },
        partitions: { array: { partitionIndex: { type: 'int32' } } },
      },
    },
  },
  response: {
    errorCode: { type: 'errorCode' },
    throttleTimeMs: { type: 'int32', default: 0 },
    topics: {
      array: {
        name: { type: 'string' },
        partitions: {
          array: { partitionIndex: { type: 'int32' }, errorCode: { type: 'errorCode' } },
        },
      },
    },
  },
} as const
