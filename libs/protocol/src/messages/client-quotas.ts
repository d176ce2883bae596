/** Quotas of the users, client ids and addresses that match a filter (KIP-546). */
export const DESCRIBE_CLIENT_QUOTAS = {
  key: 48,
  versions: [0, 1],
  flexible: 1,
  request: {
    components: {
      array: {
        entityType: { type: 'string' },
        matchType: { type: 'int8' },
        match: { type: 'string', nullable: '0+' },
      },
    },
    strict: { type: 'bool' },
  },
  response: {
    throttleTimeMs: { type: 'int32', default: 0 },
    errorCode: { type: 'errorCode' },
    errorMessage: { type: 'string', nullable: '0+' },
    entries: {
      nullable: '0+',
      array: {
        entity: {
          array: {
            entityType: { type: 'string' },
            entityName: { type: 'string', nullable: '0+' },
          },
        },
        values: { array: { key: { type: 'string' }, value: { type: 'float64' } } },
      },
    },
  },
} as const

/** Sets and removes quotas (KIP-546). */
export const ALTER_CLIENT_QUOTAS = {
  key: 49,
  versions: [0, 1],
  flexible: 1,
  request: {
    entries: {
      array: {
        entity: {
          array: {
            entityType: { type: 'string' },
            entityName: { type: 'string', nullable: '0+' },
          },
        },
        ops: {
          array: {
            key: { type: 'string' },
            value: { type: 'float64' },
            remove: { type: 'bool' },
          },
        },
      },
    },
    validateOnly: { type: 'bool' },
  },
  response: {
    throttleTimeMs: { type: 'int32', default: 0 },
    entries: {
      array: {
        errorCode: { type: 'errorCode' },
        errorMessage: { type: 'string', nullable: '0+' },
        entity: {
          array: {
            entityType: { type: 'string' },
            entityName: { type: 'string', nullable: '0+' },
          },
        },
      },
    },
  },
} as const
