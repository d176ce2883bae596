/** What the OpenAPI document says of each route beyond its path; a test sees that none is missing. */
export type Operation = {
  readonly summary: string
  readonly query?: readonly string[]
  readonly body?:
    | 'schema'
    | 'registration'
    | 'tags'
    | 'reader'
    | 'config'
    | 'mode'
    | 'associations'
    | 'associationsBatch'
}

const PAGE = ['offset', 'limit']
const VISIBILITY = ['deleted', 'deletedOnly']
const ASSOCIATIONS = ['resourceType', 'associationType', 'lifecycle', ...PAGE]

export const OPERATIONS: Readonly<Record<string, Operation>> = {
  'GET /': { summary: 'Nothing; the registry is there' },
  'POST /': { summary: 'Nothing; the registry is there' },
  'GET /subjects': { summary: 'Subjects', query: ['subjectPrefix', ...VISIBILITY, ...PAGE] },
  'POST /subjects/{subject}': {
    summary: 'The version that has this schema',
    query: ['normalize', 'deleted', 'format'],
    body: 'schema',
  },
  'DELETE /subjects/{subject}': { summary: 'Deletes all versions', query: ['permanent'] },
  'GET /subjects/{subject}/metadata': {
    summary: 'The newest version with these properties',
    query: ['key', 'value', 'deleted', 'format'],
  },
  'GET /subjects/{subject}/versions': {
    summary: 'Numbers of the versions',
    query: [...VISIBILITY, 'deletedAsNegative', ...PAGE],
  },
  'POST /subjects/{subject}/versions': {
    summary: 'Registers a schema',
    query: ['normalize', 'format'],
    body: 'registration',
  },
  'GET /subjects/{subject}/versions/{version}': {
    summary: 'A version, by its number or "latest"',
    query: ['deleted', 'format', 'referenceFormat', 'findTags'],
  },
  'GET /subjects/{subject}/versions/{version}/schema': {
    summary: 'The schema of a version alone',
    query: ['deleted', 'format'],
  },
  'POST /subjects/{subject}/versions/{version}/tags': {
    summary: 'Registers the schema of a version with other tags, metadata or rules',
    body: 'tags',
  },
  'GET /subjects/{subject}/versions/{version}/referencedby': {
    summary: 'Ids of the schemas that refer to a version',
    query: ['deleted', ...PAGE],
  },
  'DELETE /subjects/{subject}/versions/{version}': {
    summary: 'Deletes a version',
    query: ['permanent'],
  },
  'GET /schemas': {
    summary: 'Versions of all subjects',
    query: [
      'subjectPrefix',
      'deleted',
      'latestOnly',
      'aliases',
      'ruleType',
      'resourceType',
      'associationType',
      'lifecycle',
      ...PAGE,
    ],
  },
  'GET /schemas/types': { summary: 'Types of schemas' },
  'GET /schemas/ids/{id}': {
    summary: 'A schema',
    query: ['subject', 'format', 'referenceFormat', 'findTags', 'fetchMaxId', 'includeSubjects'],
  },
  'GET /schemas/ids/{id}/schema': { summary: 'A schema alone', query: ['subject', 'format'] },
  'GET /schemas/ids/{id}/subjects': {
    summary: 'Subjects that have a schema',
    query: ['subject', 'deleted', ...PAGE],
  },
  'GET /schemas/ids/{id}/versions': {
    summary: 'Versions that have a schema',
    query: ['subject', 'deleted', ...PAGE],
  },
  'GET /schemas/guids/{guid}': { summary: 'A schema', query: ['format'] },
  'GET /schemas/guids/{guid}/ids': { summary: 'Ids of a schema, by context' },
  'POST /compatibility/subjects/{subject}/versions': {
    summary: 'Whether a schema fits the versions that the level names',
    query: ['verbose', 'normalize'],
    body: 'schema',
  },
  'POST /compatibility/subjects/{subject}/versions/{version}': {
    summary: 'Whether a schema fits one version',
    query: ['verbose', 'normalize'],
    body: 'schema',
  },
  'POST /readers/ids/{id}': {
    summary: 'Tells with which schema a consumer reads data of a schema',
    query: ['subject'],
    body: 'reader',
  },
  'POST /readers/guids/{guid}': {
    summary: 'Tells with which schema a consumer reads data of a schema',
    body: 'reader',
  },
  'GET /readers/subjects/{subject}': { summary: 'With which schemas consumers read a subject' },
  'GET /config': { summary: 'Settings of all subjects' },
  'PUT /config': { summary: 'Sets settings of all subjects', body: 'config' },
  'DELETE /config': { summary: 'Removes the settings of all subjects' },
  'GET /config/{subject}': { summary: 'Settings of a subject', query: ['defaultToGlobal'] },
  'PUT /config/{subject}': { summary: 'Sets settings of a subject', body: 'config' },
  'DELETE /config/{subject}': { summary: 'Removes the settings of a subject' },
  'GET /mode': { summary: 'The mode' },
  'PUT /mode': { summary: 'Sets the mode', query: ['force'], body: 'mode' },
  'DELETE /mode': { summary: 'Removes the mode', query: ['recursive'] },
  'GET /mode/{subject}': { summary: 'The mode of a subject', query: ['defaultToGlobal'] },
  'PUT /mode/{subject}': { summary: 'Sets the mode of a subject', query: ['force'], body: 'mode' },
  'DELETE /mode/{subject}': { summary: 'Removes the mode of a subject', query: ['recursive'] },
  'GET /contexts': { summary: 'Contexts', query: ['contextPrefix', ...PAGE] },
  'DELETE /contexts/{context}': { summary: 'Deletes a context that is empty' },
  'GET /v1/metadata/id': {
    summary: 'Names of the Kafka cluster and of this cluster of registries',
  },
  'GET /v1/metadata/version': { summary: 'Version of this registry' },
  'GET /v1/metadata/deployment': { summary: 'Attributes of the deployment: none' },
  'GET /associations/subjects/{subject}': {
    summary: 'Associations of a subject',
    query: ASSOCIATIONS,
  },
  'GET /associations/resources/{id}': {
    summary: 'Associations of a resource by its id',
    query: ASSOCIATIONS,
  },
  'GET /associations/resources/{namespace}/{name}': {
    summary: 'Associations of a resource by its name; "-" is any namespace or name',
    query: ASSOCIATIONS,
  },
  'POST /associations': {
    summary: 'Associates a resource with subjects',
    query: ['context', 'dryRun'],
    body: 'associations',
  },
  'PUT /associations/resources/{id}': {
    summary: 'Makes or changes the associations of a resource',
    query: ['context', 'dryRun'],
    body: 'associations',
  },
  'DELETE /associations/resources/{id}': {
    summary:
      'Removes associations of a resource, with cascadeLifecycle also the subjects that they own',
    query: ['resourceType', 'associationType', 'cascadeLifecycle', 'dryRun'],
  },
  'POST /associations:batchGet': {
    summary: 'Associations of several resources',
    query: ['includeSchemas'],
    body: 'associationsBatch',
  },
  'POST /associations:batchMutate': {
    summary: 'Makes, changes and removes associations of several resources',
    query: ['context', 'dryRun'],
    body: 'associationsBatch',
  },
  'GET /openapi.json': { summary: 'This document' },
}
