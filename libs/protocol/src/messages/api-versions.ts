/** Which APIs and versions a broker speaks. The response header is version 0 in every version. */
export const API_VERSIONS = {
  key: 18,
  versions: [0, 5],
  flexible: 3,
  request: {
    clientSoftwareName: { type: 'string', versions: '3+' },
    clientSoftwareVersion: { type: 'string', versions: '3+' },
    clusterId: { type: 'string', versions: '5+', nullable: '5+', default: null },
    nodeId: { type: 'int32', versions: '5+', default: -1 },
  },
  response: {
    errorCode: { type: 'errorCode' },
    apiKeys: {
      array: {
        apiKey: { type: 'int16' },
        minVersion: { type: 'int16' },
        maxVersion: { type: 'int16' },
      },
    },
    throttleTimeMs: { type: 'int32', versions: '1+', default: 0 },
    supportedFeatures: {
      versions: '3+',
      tag: 0,
      array: {
        name: { type: 'string' },
        minVersion: { type: 'int16' },
        maxVersion: { type: 'int16' },
      },
    },
    finalizedFeaturesEpoch: { type: 'int64', versions: '3+', tag: 1, default: -1 },
    finalizedFeatures: {
      versions: '3+',
      tag: 2,
      array: {
        name: { type: 'string' },
        maxVersionLevel: { type: 'int16' },
        minVersionLevel: { type: 'int16' },
      },
    },
    zkMigrationReady: { type: 'bool', versions: '3+', tag: 3, default: false },
  },
} as const
