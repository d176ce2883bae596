import type { FastifyInstance } from 'fastify'
import { MEDIA_TYPES } from './media-types.ts'
import { OPERATIONS, type Operation } from './operations.ts'

type Route = { readonly method: string; readonly path: string }

/** Fastify writes `:name`, OpenAPI `{name}`. */
const PARAMETER = /:(\w+)/g

/** Serves an OpenAPI document of every route that is added after this call. */
export function useOpenApi(http: FastifyInstance, version: string): void {
  const routes: Route[] = []
  http.addHook('onRoute', ({ method, url, config }) => {
    if (config !== undefined && 'isRefusal' in config) return
    for (const each of [method].flat()) {
      if (each !== 'HEAD') routes.push({ method: each, path: url.replace(PARAMETER, '{$1}') })
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
const SCHEMAS = {
  error: {
    type: 'object',
    required: ['error_code', 'message'],
    properties: { error_code: { type: 'integer' }, message: text },
    additionalProperties: false,
  },
  schema: {
    type: 'object',
    properties: {
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
  mode: { type: 'object', properties: { mode: { enum: ['READWRITE', 'READONLY', 'IMPORT'] } } },
}
