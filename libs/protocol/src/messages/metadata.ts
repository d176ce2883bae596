/** Brokers, topics and partition leaders. Null topics mean all; in version 0 an empty list does. */
export const METADATA = {
  key: 3,
  versions: [0, 13],
  flexible: 9,
  request: {
    topics: {
      nullable: '1+',
      array: {
        topicId: { type: 'uuid', versions: '10+' },
        name: { type: 'string', nullable: '10+' },
      },
    },
    allowAutoTopicCreation: { type: 'bool', versions: '4+', default: true },
    includeClusterAuthorizedOperations: { type: 'bool', versions: '8-10' },
    includeTopicAuthorizedOperations: { type: 'bool', versions: '8+' },
  },
  response: {
    throttleTimeMs: { type: 'int32', versions: '3+', default: 0 },
    brokers: {
      array: {
        nodeId: { type: 'int32' },
        host: { type: 'string' },
        port: { type: 'int32' },
        rack: { type: 'string', versions: '1+', nullable: '1+', default: null },
      },
    },
    clusterId: { type: 'string', versions: '2+', nullable: '2+', default: null },
    controllerId: { type: 'int32', versions: '1+', default: -1 },
    topics: {
      array: {
        errorCode: { type: 'errorCode' },
        name: { type: 'string', nullable: '12+' },
        topicId: { type: 'uuid', versions: '10+' },
        isInternal: { type: 'bool', versions: '1+', default: false },
        partitions: {
          array: {
            errorCode: { type: 'errorCode' },
            partitionIndex: { type: 'int32' },
            leaderId: { type: 'int32' },
            leaderEpoch: { type: 'int32', versions: '7+', default: -1 },
            replicaNodes: { array: 'int32' },
            isrNodes: { array: 'int32' },
            offlineReplicas: { versions: '5+', array: 'int32' },
          },
        },
        topicAuthorizedOperations: { type: 'int32', versions: '8+', default: -2147483648 },
      },
    },
    clusterAuthorizedOperations: { type: 'int32', versions: '8-10', default: -2147483648 },
    errorCode: { type: 'errorCode', versions: '13+' },
  },
} as const
