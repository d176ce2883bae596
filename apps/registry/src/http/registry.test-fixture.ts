import Fastify, { type FastifyInstance } from 'fastify'
import { type Profile, SchemaRegistry } from '@fairlead/schemas'
import { nativeMd5 } from '../guids.ts'
import { Inquiries } from '../checking/inquiries.ts'
import { MemorySchemaLog } from '../store/memory-schema-log.ts'
import { RegistryStore } from '../store/registry-store.ts'
import { ConsumerReaders } from '../readers/consumer-readers.ts'
import { registryRoutes } from './registry-routes.ts'
import { RegistryRequests } from './registry-requests.ts'
import { SERVER_OPTIONS } from './server-options.ts'
import type { SubjectTurns } from './subject-turns.ts'

const started: { close(): Promise<unknown> }[] = []

/** Ends everything that a test started. */
export const closeRegistries = async (): Promise<void> => {
  for (const one of started.splice(0)) await one.close()
}

/** A registry over a log; two over one log are two processes. */
export const startRegistry = (
  log: MemorySchemaLog = new MemorySchemaLog(),
  profile: Profile = 8,
  {
    turns,
    ...options
  }: Pick<Parameters<typeof registryRoutes>[1], 'guard' | 'limits' | 'hasAssociations'> & {
    readonly turns?: SubjectTurns
  } = {},
) => {
  const registry = new SchemaRegistry(
    { defaultCompatibilityLevel: 'BACKWARD', profile },
    { digest: nativeMd5 },
  )
  const states: (true | string)[] = []
  const store = new RegistryStore({
    log,
    registry,
    timeoutMs: 500,
    logger: { info: () => undefined, warn: () => undefined },
    onState: (state) => states.push(state),
    onFatal: (error) => {
      throw error
    },
  })
  const inquiries = new Inquiries(registry)
  const http = Fastify(SERVER_OPTIONS)
  registryRoutes(http, {
    requests: new RegistryRequests({ registry, store, inquiries }, undefined, turns),
    metadata: { version: '0.0.0', clusterName: 'schema-registry' },
    readers: new ConsumerReaders(() => 1_700_000_000_000),
    onCheck: () => undefined,
    ...options,
  })
  store.start()
  started.push(store, http, { close: () => inquiries.stop() })
  return { http, log, states, store }
}

export type Method = 'GET' | 'POST' | 'PUT' | 'DELETE'

export const CONTENT_TYPE = 'application/vnd.schemaregistry.v1+json'

export const call = async (
  http: FastifyInstance,
  request: `${Method} ${string}`,
  body?: unknown,
): Promise<readonly [number, unknown]> => {
  const [method, url] = request.split(' ') as [Method, string]
  const response = await http.inject({
    method,
    url,
    ...(body === undefined
      ? {}
      : {
          headers: { 'content-type': CONTENT_TYPE },
          payload: typeof body === 'string' ? body : JSON.stringify(body),
        }),
  })
  return [response.statusCode, response.body === '' ? undefined : response.json()]
}
