import { type SchemaVersion, type SubjectView, failed, success } from '@fairlead/schemas'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { ConsumerReader, ConsumerReaders } from '../readers/consumer-readers.ts'
import { badRequest } from './errors.ts'
import type { RegistryRequests } from './registry-requests.ts'
import {
  bodyOf,
  optionalString,
  parameter,
  querySubject,
  schemaIdOf,
  schemaRequestOf,
  subjectOf,
} from './request.ts'

const NAME_LENGTH_MAX = 255

/** `/readers`: with which schemas consumers read. Ours; Confluent's registry has nothing like it. */
export function readerRoutes(
  http: FastifyInstance,
  requests: RegistryRequests,
  readers: ConsumerReaders,
): void {
  const report = async (
    request: FastifyRequest,
    holdersOf: (view: SubjectView) => readonly SchemaVersion[],
  ): Promise<object> => {
    const [group, member] = [nameIn(request, 'group'), nameIn(request, 'member')]
    const schema = schemaRequestOf(request)
    const subjects = await requests.read(request, (view, mayRead) => {
      const holders = holdersOf(view).filter(
        ({ isDeleted, subject }) => !isDeleted && mayRead(subject),
      )
      const names = [...new Set(holders.map(({ subject }) => subject))]
      return names.length === 0 ? failed('SCHEMA_NOT_FOUND', 'Schema not found') : success(names)
    })
    const [subject = ''] = subjects
    // Refuses a schema that none could read with.
    await requests.inquire(request, () =>
      success({ kind: 'reader', subject, request: schema, reader: schema }),
    )
    for (const subject of subjects) readers.report({ subject, group, member, schema })
    return { subjects }
  }

  http.post('/readers/ids/:id', async (request) =>
    report(request, (view) => view.withId(schemaIdOf(request), querySubject(request))),
  )
  http.post('/readers/guids/:guid', async (request) =>
    report(request, (view) => view.image.withGuid(parameter(request, 'guid').toLowerCase())),
  )
  http.get('/readers/subjects/:subject', async (request) =>
    readers.of(subjectOf(request)).map((reader) => ({
      ...readerEntity(reader),
      schemaType: reader.schema.schemaType,
      schema: reader.schema.schema,
    })),
  )
}

/** Each group that reads the subject, and why it could not read what the schema would write. */
export async function consumersOf(
  request: FastifyRequest,
  requests: RegistryRequests,
  readers: ConsumerReaders,
): Promise<readonly object[]> {
  const [named, next] = [subjectOf(request), schemaRequestOf(request)]
  const subject = await requests.read(request, (view) => success(view.aliased(named)))
  const consumers: object[] = []
  for (const reader of readers.of(subject)) {
    const messages = await requests.inquire(request, () =>
      success({ kind: 'reader', subject, request: next, reader: reader.schema }),
    )
    consumers.push({ ...readerEntity(reader), is_broken: messages.length > 0, messages })
  }
  return consumers
}

function readerEntity({ group, memberCount, lastSeenMs }: ConsumerReader) {
  return { group, members: memberCount, last_seen: new Date(lastSeenMs).toISOString() }
}

function nameIn(request: FastifyRequest, member: 'group' | 'member'): string {
  const name = optionalString(bodyOf(request), member) ?? ''
  if (name !== '' && name.length <= NAME_LENGTH_MAX) return name
  throw badRequest(`"${member}" must have 1 to ${NAME_LENGTH_MAX} characters`)
}
