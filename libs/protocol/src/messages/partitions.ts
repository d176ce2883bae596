/** Adds partitions to topics (KIP-195). */
export const CREATE_PARTITIONS = {
  key: 37,
  versions: [0, 3],
  flexible: 2,
  request: {
    topics: {
      array: {
        name: { type: 'string' },
        count: { type: 'int32' },
        assignments: {
          nullable: '0+',
          array: {
            brokerIds: { array: 'int32' },
          },
        },
      },
    },
    timeoutMs: { type: 'int32' },
    validateOnly: { type: 'bool' },
  },
  response: {
    throttleTimeMs: { type: 'int32', default: 0 },
    results: {
      array: {
        name: { type: 'string' },
        errorCode: { type: 'errorCode' },
        errorMessage: { type: 'string', nullable: '0+', default: null },
      },
    },
  },
} as const

/** Topics and partitions, page by page (KIP-966). */
export const DESCRIBE_TOPIC_PARTITIONS = {
  key: 75,
  versions: [0, 0],
  flexible: 0,
  request: {
    topics: {
      array: {
        name: { type: 'string' },
      },
    },
    responsePartitionLimit: { type: 'int32', default: 2000 },
    cursor: {
      nullable: '0+',
      default: null,
      struct: {
        topicName: { type: 'string' },
        partitionIndex: { type: 'int32' },
      },
    },
  },
  response: {
    throttleTimeMs: { type: 'int32', default: 0 },
    topics: {
      array: {
        errorCode: { type: 'errorCode' },
        name: { type: 'string', nullable: '0+' },
        topicId: { type: 'uuid' },
        isInternal: { type: 'bool', default: false },
        partitions: {
          array: {
            errorCode: { type: 'errorCode' },
            partitionIndex: { type: 'int32' },
            leaderId: { type: 'int32' },
            leaderEpoch: { type: 'int32', default: -1 },
            replicaNodes: { array: 'int32' },
            isrNodes: { array: 'int32' },
            eligibleLeaderReplicas: { array: 'int32', nullable: '0+', default: null },
            lastKnownElr: { array: 'int32', nullable: '0+', default: null },
            offlineReplicas: { array: 'int32' },
          },
        },
        topicAuthorizedOperations: { type: 'int32', default: -2147483648 },
      },
    },
    nextCursor: {
      nullable: '0+',
      default: null,
      struct: {
        topicName: { type: 'string' },
        partitionIndex: { type: 'int32' },
      },
    },
  },
} as const

/** Raises the first offset of partitions (KIP-107). */
export const DELETE_RECORDS = {
  key: 21,
  versions: [0, 2],
  flexible: 2,
  request: {
    topics: {
      array: {
        name: { type: 'string' },
        partitions: {
          array: {
            partitionIndex: { type: 'int32' },
            offset: { type: 'int64' },
          },
        },
      },
    },
    timeoutMs: { type: 'int32' },
  },
  response: {
    throttleTimeMs: { type: 'int32', default: 0 },
    topics: {
      array: {
        name: { type: 'string' },
        partitions: {
          array: {
            partitionIndex: { type: 'int32' },
            lowWatermark: { type: 'int64' },
            errorCode: { type: 'errorCode' },
          },
        },
      },
    },
  },
} as const

/** Where the records of a leader epoch end (KIP-101, KIP-320). */
export const OFFSET_FOR_LEADER_EPOCH = {
  key: 23,
  versions: [2, 4],
  flexible: 4,
  request: {
    replicaId: { type: 'int32', versions: '3+', default: -2 },
    topics: {
      array: {
        topic: { type: 'string' },
        partitions: {
          array: {
            partition: { type: 'int32' },
            currentLeaderEpoch: { type: 'int32', default: -1 },
            leaderEpoch: { type: 'int32' },
          },
        },
      },
    },
  },
  response: {
    throttleTimeMs: { type: 'int32', default: 0 },
    topics: {
      array: {
        topic: { type: 'string' },
        partitions: {
          array: {
            errorCode: { type: 'errorCode' },
            partition: { type: 'int32' },
            leaderEpoch: { type: 'int32', default: -1 },
            endOffset: { type: 'int64', default: -1 },
          },
        },
      },
    },
  },
} as const

/** Elects the preferred leader, or any that is alive (KIP-460). */
export const ELECT_LEADERS = {
  key: 43,
  versions: [0, 2],
  flexible: 2,
  request: {
    electionType: { type: 'int8', versions: '1+' },
    topicPartitions: {
      nullable: '0+',
      array: {
        topic: { type: 'string' },
        partitions: { array: 'int32' },
      },
    },
    timeoutMs: { type: 'int32', default: 60000 },
  },
  response: {
    throttleTimeMs: { type: 'int32', default: 0 },
    errorCode: { type: 'errorCode', versions: '1+' },
    replicaElectionResults: {
      array: {
        topic: { type: 'string' },
        partitionResult: {
          array: {
            partitionId: { type: 'int32' },
            errorCode: { type: 'errorCode' },
            errorMessage: { type: 'string', nullable: '0+' },
          },
        },
      },
    },
  },
} as const

/** Moves replicas between brokers (KIP-455). */
export const ALTER_PARTITION_REASSIGNMENTS = {
  key: 45,
  versions: [0, 1],
  flexible: 0,
  request: {
    timeoutMs: { type: 'int32', default: 60000 },
    allowReplicationFactorChange: { type: 'bool', versions: '1+', default: true },
    topics: {
      array: {
        name: { type: 'string' },
        partitions: {
          array: {
            partitionIndex: { type: 'int32' },
            replicas: { array: 'int32', nullable: '0+', default: null },
          },
        },
      },
    },
  },
  response: {
    throttleTimeMs: { type: 'int32', default: 0 },
    allowReplicationFactorChange: { type: 'bool', versions: '1+', default: true },
    errorCode: { type: 'errorCode' },
    errorMessage: { type: 'string', nullable: '0+' },
    responses: {
      array: {
        name: { type: 'string' },
        partitions: {
          array: {
            partitionIndex: { type: 'int32' },
            errorCode: { type: 'errorCode' },
            errorMessage: { type: 'string', nullable: '0+' },
          },
        },
      },
    },
  },
} as const

/** Moves of replicas that are under way (KIP-455). */
export const LIST_PARTITION_REASSIGNMENTS = {
  key: 46,
  versions: [0, 0],
  flexible: 0,
  request: {
    timeoutMs: { type: 'int32', default: 60000 },
    topics: {
      nullable: '0+',
      default: null,
      array: {
        name: { type: 'string' },
        partitionIndexes: { array: 'int32' },
      },
    },
  },
  response: {
    throttleTimeMs: { type: 'int32', default: 0 },
    errorCode: { type: 'errorCode' },
    errorMessage: { type: 'string', nullable: '0+' },
    topics: {
      array: {
        name: { type: 'string' },
        partitions: {
          array: {
            partitionIndex: { type: 'int32' },
            replicas: { array: 'int32' },
            addingReplicas: { array: 'int32' },
            removingReplicas: { array: 'int32' },
          },
        },
      },
    },
  },
} as const
