export const DESCRIBE_PRODUCERS = {
  key: 61,
  versions: [0, 0],
  flexible: 0,
  request: {
    topics: { array: { name: { type: 'string' }, partitionIndexes: { array: 'int32' } } },
  },
  response: {
    throttleTimeMs: { type: 'int32', default: 0 },
    topics: {
      array: {
        name: { type: 'string' },
        partitions: {
          array: {
            partitionIndex: { type: 'int32' },
            errorCode: { type: 'errorCode' },
            errorMessage: { type: 'string', nullable: '0+', default: null },
            activeProducers: {
              array: {
                producerId: { type: 'int64' },
                producerEpoch: { type: 'int32' },
                lastSequence: { type: 'int32', default: -1 },
                lastTimestamp: { type: 'int64', default: -1 },
                coordinatorEpoch: { type: 'int32' },
                currentTxnStartOffset: { type: 'int64', default: -1 },
              },
            },
          },
        },
      },
    },
  },
} as const

export const DESCRIBE_TRANSACTIONS = {
  key: 65,
  versions: [0, 0],
  flexible: 0,
  request: { transactionalIds: { array: 'string' } },
  response: {
    throttleTimeMs: { type: 'int32', default: 0 },
    transactionStates: {
      array: {
        errorCode: { type: 'errorCode' },
        transactionalId: { type: 'string' },
        transactionState: { type: 'string' },
        transactionTimeoutMs: { type: 'int32' },
        transactionStartTimeMs: { type: 'int64' },
        producerId: { type: 'int64' },
        producerEpoch: { type: 'int16' },
        topics: { array: { topic: { type: 'string' }, partitions: { array: 'int32' } } },
      },
    },
  },
} as const

export const LIST_TRANSACTIONS = {
  key: 66,
  versions: [0, 2],
  flexible: 0,
  request: {
    stateFilters: { array: 'string' },
    producerIdFilters: { array: 'int64' },
    durationFilter: { type: 'int64', versions: '1+', default: -1 },
    transactionalIdPattern: { type: 'string', versions: '2+', nullable: '2+', default: null },
  },
  response: {
    throttleTimeMs: { type: 'int32', default: 0 },
    errorCode: { type: 'errorCode' },
    unknownStateFilters: { array: 'string' },
    transactionStates: {
      array: {
        transactionalId: { type: 'string' },
        producerId: { type: 'int64' },
        transactionState: { type: 'string' },
      },
    },
  },
} as const
