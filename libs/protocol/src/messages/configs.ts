/** Replaces the whole configuration of resources; IncrementalAlterConfigs took its place. */
export const ALTER_CONFIGS = {
  key: 33,
  versions: [0, 2],
  flexible: 2,
  request: {
    resources: {
      array: {
        resourceType: { type: 'int8' },
        resourceName: { type: 'string' },
        configs: {
          array: {
            name: { type: 'string' },
            value: { type: 'string', nullable: '0+' },
          },
        },
      },
    },
    validateOnly: { type: 'bool' },
  },
  response: {
    throttleTimeMs: { type: 'int32', default: 0 },
    responses: {
      array: {
        errorCode: { type: 'errorCode' },
        errorMessage: { type: 'string', nullable: '0+' },
        resourceType: { type: 'int8' },
        resourceName: { type: 'string' },
      },
    },
  },
} as const

/** Sets, removes, appends to and subtracts from single keys (KIP-339). */
export const INCREMENTAL_ALTER_CONFIGS = {
  key: 44,
  versions: [0, 1],
  flexible: 1,
  request: {
    resources: {
      array: {
        resourceType: { type: 'int8' },
        resourceName: { type: 'string' },
        configs: {
          array: {
            name: { type: 'string' },
            configOperation: { type: 'int8' },
            value: { type: 'string', nullable: '0+' },
          },
        },
      },
    },
    validateOnly: { type: 'bool' },
  },
  response: {
    throttleTimeMs: { type: 'int32', default: 0 },
    responses: {
      array: {
        errorCode: { type: 'errorCode' },
        errorMessage: { type: 'string', nullable: '0+' },
        resourceType: { type: 'int8' },
        resourceName: { type: 'string' },
      },
    },
  },
} as const

/** Resources that have a configuration; version 0 lists client metrics alone (KIP-1142). */
export const LIST_CONFIG_RESOURCES = {
  key: 74,
  versions: [0, 1],
  flexible: 0,
  request: {
    resourceTypes: { array: 'int8', versions: '1+' },
  },
  response: {
    throttleTimeMs: { type: 'int32', default: 0 },
    errorCode: { type: 'errorCode' },
    configResources: {
      array: {
        resourceName: { type: 'string' },
        resourceType: { type: 'int8', versions: '1+', default: 16 },
      },
    },
  },
} as const
