/** Access rules that match a filter (KIP-140). */
export const DESCRIBE_ACLS = {
  key: 29,
  versions: [1, 3],
  flexible: 2,
  request: {
    resourceTypeFilter: { type: 'int8' },
    resourceNameFilter: { type: 'string', nullable: '0+' },
    patternTypeFilter: { type: 'int8', default: 3 },
    principalFilter: { type: 'string', nullable: '0+' },
    hostFilter: { type: 'string', nullable: '0+' },
    operation: { type: 'int8' },
    permissionType: { type: 'int8' },
  },
  response: {
    throttleTimeMs: { type: 'int32', default: 0 },
    errorCode: { type: 'errorCode' },
    errorMessage: { type: 'string', nullable: '0+' },
    resources: {
      array: {
        resourceType: { type: 'int8' },
        resourceName: { type: 'string' },
        patternType: { type: 'int8', default: 3 },
        acls: {
          array: {
            principal: { type: 'string' },
            host: { type: 'string' },
            operation: { type: 'int8' },
            permissionType: { type: 'int8' },
          },
        },
      },
    },
  },
} as const

/** Adds access rules (KIP-140). */
export const CREATE_ACLS = {
  key: 30,
  versions: [1, 3],
  flexible: 2,
  request: {
    creations: {
      array: {
        resourceType: { type: 'int8' },
        resourceName: { type: 'string' },
        resourcePatternType: { type: 'int8', default: 3 },
        principal: { type: 'string' },
        host: { type: 'string' },
        operation: { type: 'int8' },
        permissionType: { type: 'int8' },
      },
    },
  },
  response: {
    throttleTimeMs: { type: 'int32', default: 0 },
    results: {
      array: {
        errorCode: { type: 'errorCode' },
        errorMessage: { type: 'string', nullable: '0+' },
      },
    },
  },
} as const

/** Removes the access rules that match filters (KIP-140). */
export const DELETE_ACLS = {
  key: 31,
  versions: [1, 3],
  flexible: 2,
  request: {
    filters: {
      array: {
        resourceTypeFilter: { type: 'int8' },
        resourceNameFilter: { type: 'string', nullable: '0+' },
        patternTypeFilter: { type: 'int8', default: 3 },
        principalFilter: { type: 'string', nullable: '0+' },
        hostFilter: { type: 'string', nullable: '0+' },
        operation: { type: 'int8' },
        permissionType: { type: 'int8' },
      },
    },
  },
  response: {
    throttleTimeMs: { type: 'int32', default: 0 },
    filterResults: {
      array: {
        errorCode: { type: 'errorCode' },
        errorMessage: { type: 'string', nullable: '0+' },
        matchingAcls: {
          array: {
            errorCode: { type: 'errorCode' },
            errorMessage: { type: 'string', nullable: '0+' },
            resourceType: { type: 'int8' },
            resourceName: { type: 'string' },
            patternType: { type: 'int8', default: 3 },
            principal: { type: 'string' },
            host: { type: 'string' },
            operation: { type: 'int8' },
            permissionType: { type: 'int8' },
          },
        },
      },
    },
  },
} as const
