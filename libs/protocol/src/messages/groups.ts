export const JOIN_GROUP = {
  key: 11,
  versions: [0, 9],
  flexible: 6,
  request: {
    groupId: { type: 'string' },
    sessionTimeoutMs: { type: 'int32' },
    rebalanceTimeoutMs: { type: 'int32', versions: '1+', default: -1 },
    memberId: { type: 'string' },
    groupInstanceId: { type: 'string', versions: '5+', nullable: '5+', default: null },
    protocolType: { type: 'string' },
    protocols: { array: { name: { type: 'string' }, metadata: { type: 'bytes' } } },
    reason: { type: 'string', versions: '8+', nullable: '8+', default: null },
  },
  response: {
    throttleTimeMs: { type: 'int32', versions: '2+' },
    errorCode: { type: 'errorCode' },
    generationId: { type: 'int32', default: -1 },
    protocolType: { type: 'string', versions: '7+', nullable: '7+', default: null },
    protocolName: { type: 'string', nullable: '7+' },
    leader: { type: 'string' },
    skipAssignment: { type: 'bool', versions: '9+', default: false },
    memberId: { type: 'string' },
    members: {
      array: {
        memberId: { type: 'string' },
        groupInstanceId: { type: 'string', versions: '5+', nullable: '5+', default: null },
        metadata: { type: 'bytes' },
      },
    },
  },
} as const

export const HEARTBEAT = {
  key: 12,
  versions: [0, 4],
  flexible: 4,
  request: {
    groupId: { type: 'string' },
    generationId: { type: 'int32' },
    memberId: { type: 'string' },
    groupInstanceId: { type: 'string', versions: '3+', nullable: '3+', default: null },
  },
  response: {
    throttleTimeMs: { type: 'int32', versions: '1+' },
    errorCode: { type: 'errorCode' },
  },
} as const

export const LEAVE_GROUP = {
  key: 13,
  versions: [0, 5],
  flexible: 4,
  request: {
    groupId: { type: 'string' },
    memberId: { type: 'string', versions: '0-2' },
    members: {
      versions: '3+',
      array: {
        memberId: { type: 'string' },
        groupInstanceId: { type: 'string', nullable: '3+', default: null },
        reason: { type: 'string', versions: '5+', nullable: '5+', default: null },
      },
    },
  },
  response: {
    throttleTimeMs: { type: 'int32', versions: '1+' },
    errorCode: { type: 'errorCode' },
    members: {
      versions: '3+',
      array: {
        memberId: { type: 'string' },
        groupInstanceId: { type: 'string', nullable: '3+' },
        errorCode: { type: 'errorCode' },
      },
    },
  },
} as const

export const SYNC_GROUP = {
  key: 14,
  versions: [0, 5],
  flexible: 4,
  request: {
    groupId: { type: 'string' },
    generationId: { type: 'int32' },
    memberId: { type: 'string' },
    groupInstanceId: { type: 'string', versions: '3+', nullable: '3+', default: null },
    protocolType: { type: 'string', versions: '5+', nullable: '5+', default: null },
    protocolName: { type: 'string', versions: '5+', nullable: '5+', default: null },
    assignments: { array: { memberId: { type: 'string' }, assignment: { type: 'bytes' } } },
  },
  response: {
    throttleTimeMs: { type: 'int32', versions: '1+' },
    errorCode: { type: 'errorCode' },
    protocolType: { type: 'string', versions: '5+', nullable: '5+', default: null },
    protocolName: { type: 'string', versions: '5+', nullable: '5+', default: null },
    assignment: { type: 'bytes' },
  },
} as const

export const DESCRIBE_GROUPS = {
  key: 15,
  versions: [0, 6],
  flexible: 5,
  request: {
    groups: { array: 'string' },
    includeAuthorizedOperations: { type: 'bool', versions: '3+' },
  },
  response: {
    throttleTimeMs: { type: 'int32', versions: '1+' },
    groups: {
      array: {
        errorCode: { type: 'errorCode' },
        errorMessage: { type: 'string', versions: '6+', nullable: '6+', default: null },
        groupId: { type: 'string' },
        groupState: { type: 'string' },
        protocolType: { type: 'string' },
        protocolData: { type: 'string' },
        members: {
          array: {
            memberId: { type: 'string' },
            groupInstanceId: { type: 'string', versions: '4+', nullable: '4+', default: null },
            clientId: { type: 'string' },
            clientHost: { type: 'string' },
            memberMetadata: { type: 'bytes' },
            memberAssignment: { type: 'bytes' },
          },
        },
        authorizedOperations: { type: 'int32', versions: '3+', default: -2147483648 },
      },
    },
  },
} as const

export const LIST_GROUPS = {
  key: 16,
  versions: [0, 5],
  flexible: 3,
  request: {
    statesFilter: { array: 'string', versions: '4+' },
    typesFilter: { array: 'string', versions: '5+' },
  },
  response: {
    throttleTimeMs: { type: 'int32', versions: '1+' },
    errorCode: { type: 'errorCode' },
    groups: {
      array: {
        groupId: { type: 'string' },
        protocolType: { type: 'string' },
        groupState: { type: 'string', versions: '4+' },
        groupType: { type: 'string', versions: '5+' },
      },
    },
  },
} as const

export const FIND_COORDINATOR = {
  key: 10,
  versions: [0, 6],
  flexible: 3,
  request: {
    key: { type: 'string', versions: '0-3' },
    keyType: { type: 'int8', versions: '1+', default: 0 },
    coordinatorKeys: { array: 'string', versions: '4+' },
  },
  response: {
    throttleTimeMs: { type: 'int32', versions: '1+' },
    errorCode: { type: 'errorCode', versions: '0-3' },
    errorMessage: { type: 'string', versions: '1-3', nullable: '1-3' },
    nodeId: { type: 'int32', versions: '0-3' },
    host: { type: 'string', versions: '0-3' },
    port: { type: 'int32', versions: '0-3' },
    coordinators: {
      versions: '4+',
      array: {
        key: { type: 'string' },
        nodeId: { type: 'int32' },
        host: { type: 'string' },
        port: { type: 'int32' },
        errorCode: { type: 'errorCode' },
        errorMessage: { type: 'string', nullable: '4+' },
      },
    },
  },
} as const

export const DELETE_GROUPS = {
  key: 42,
  versions: [0, 3],
  flexible: 2,
  request: { groupsNames: { array: 'string' } },
  response: {
    throttleTimeMs: { type: 'int32', default: 0 },
    results: {
      array: {
        groupId: { type: 'string' },
        errorCode: { type: 'errorCode' },
        errorMessage: { type: 'string', versions: '3+', nullable: '3+', default: null },
      },
    },
  },
} as const
