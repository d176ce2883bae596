import { ENTITY_TYPES, LIFECYCLES } from '@fairlead/schemas'
import type { FastifyInstance } from 'fastify'
import { MEDIA_TYPES } from './media-types.ts'
import { OPERATIONS, type Operation } from './operations.ts'

type Route = { readonly method: string; readonly path: string }

/** Fastify writes `:name`, OpenAPI `{name}`; a colon of the path itself is doubled. */
const PARAMETER = /(?<!:):(\w+)/g

/** Serves an OpenAPI document of every route that is added after this call. */
export function useOpenApi(http: FastifyInstance, version: string): void {
  const routes: Route[] = []
  http.addHook('onRoute', ({ method, url, config }) => {
    if (config !== undefined && 'isRefusal' in config) return
    for (const each of [method].flat()) {
      if (each !== 'HEAD')
        routes.push({ method: each, path: url.replace(PARAMETER, '{$1}').replace('::', ':') })
    }
  })
  http.get('/openapi.json', async () => openApiDocument(routes, version))
}

function openApiDocument(routes: readonly Route[], version: string): object {
  const paths: Record<string, Record<string, object>> = {}
  for (const { method, path } of routes) {
    const operations = (paths[path] ??= {})
    operations[method.toLowerCase()] = operationOf(method, path)
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Schema registry',
      description: "Confluent's REST API. Any path may follow /contexts/{context}.",
      version,
    },
    paths,
    components: { schemas: SCHEMAS },
  }
}

function operationOf(method: string, path: string): object {
  const {
    summary,
    query = [],
    body,
  }: Operation = OPERATIONS[`${method} ${path}`] ?? {
    summary: '',
  }
  const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => ({
    name,
    in: 'path',
    required: true,
    schema: { type: 'string' },
  }))
  const inQuery = query.map((name) => ({ name, in: 'query', schema: { type: 'string' } }))
  return {
    summary,
    parameters: [...inPath, ...inQuery],
    ...(body === undefined
      ? {}
      : { requestBody: { required: true, content: contentOf(`#/components/schemas/${body}`) } }),
    responses: {
      200: { description: 'Done' },
      default: { description: 'Refused', content: contentOf('#/components/schemas/error') },
    },
  }
}

function contentOf(reference: string): object {
  return Object.fromEntries(MEDIA_TYPES.map((type) => [type, { schema: { $ref: reference } }]))
}

const text = { type: 'string' }
const texts = { type: 'array', items: text }
const schemaTags = {
  type: 'array',
  items: {
    type: 'object',
    required: ['schemaEntity', 'tags'],
    properties: {
      schemaEntity: {
        type: 'object',
        required: ['entityPath', 'entityType'],
        properties: { entityPath: text, entityType: { enum: ENTITY_TYPES } },
      },
      tags: texts,
    },
  },
}
const SCHEMA_PROPERTIES = {
  schema: text,
  schemaType: { enum: ['AVRO', 'JSON', 'PROTOBUF'] },
  references: {
    type: 'array',
    items: {
      type: 'object',
      properties: { name: text, subject: text, version: { type: 'integer' } },
    },
  },
  metadata: { type: 'object' },
  ruleSet: { type: 'object' },
  version: { type: 'integer' },
  id: { type: 'integer' },
}
const RESOURCE_PROPERTIES = {
  resourceName: text,
  resourceNamespace: text,
  resourceId: text,
  resourceType: text,
}
const ASSOCIATION_PROPERTIES = {
  subject: text,
  associationType: { enum: ['key', 'value'] },
  lifecycle: { enum: LIFECYCLES },
  frozen: { type: 'boolean' },
  schema: { $ref: '#/components/schemas/registration' },
  normalize: { type: 'boolean' },
}
const SCHEMAS = {
  error: {
    type: 'object',
    required: ['error_code', 'message'],
    properties: { error_code: { type: 'integer' }, message: text },
    additionalProperties: false,
  },
  schema: { type: 'object', properties: SCHEMA_PROPERTIES },
  registration: {
    type: 'object',
    properties: {
      ...SCHEMA_PROPERTIES,
      schemaTagsToAdd: schemaTags,
      schemaTagsToRemove: schemaTags,
      propagateSchemaTags: { type: 'boolean' },
    },
  },
  tags: {
    type: 'object',
    properties: {
      newVersion: { type: 'integer' },
      tagsToAdd: schemaTags,
      tagsToRemove: schemaTags,
      metadata: { type: 'object' },
      ruleSet: { type: 'object' },
      rulesToMerge: { type: 'object' },
      rulesToRemove: texts,
    },
  },
  reader: {
    type: 'object',
    required: ['group', 'member', 'schema'],
    properties: { group: text, member: text, schema: text, schemaType: text },
  },
  config: {
    type: 'object',
    properties: {
      compatibility: text,
      compatibilityGroup: text,
      compatibilityPolicy: { enum: ['STRICT', 'LENIENT', 'LOGICAL'] },
      normalize: { type: 'boolean' },
      alias: text,
      defaultMetadata: { type: 'object' },
      overrideMetadata: { type: 'object' },
      defaultRuleSet: { type: 'object' },
      overrideRuleSet: { type: 'object' },
    },
  },
  associations: {
    type: 'object',
    required: ['resourceName', 'resourceNamespace', 'associations'],
    properties: {
      ...RESOURCE_PROPERTIES,
      associations: {
        type: 'array',
        items: { type: 'object', properties: ASSOCIATION_PROPERTIES },
      },
    },
  },
  associationsBatch: {
    type: 'object',
    required: ['requests'],
    properties: {
      requests: {
        type: 'array',
        items: {
          type: 'object',
          properties: {
            ...RESOURCE_PROPERTIES,
            associationTypes: texts,
            lifecycle: { enum: LIFECYCLES },
            associations: {
              type: 'array',
              items: {
                type: 'object',
                required: ['opType'],
                properties: {
                  ...ASSOCIATION_PROPERTIES,
                  opType: { enum: ['CREATE', 'UPSERT', 'DELETE'] },
                  cascadeLifecycle: { type: 'boolean' },
                },
              },
            },
          },
        },
      },
    },
  },
  mode: { type: 'object', properties: { mode: { enum: ['READWRITE', 'READONLY', 'IMPORT'] } } },
}
