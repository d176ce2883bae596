import { randomUUID } from 'node:crypto'
import { setImmediate as nextTurn } from 'node:timers/promises'
import {
  type Association,
  type AssociationFilter,
  type AssociationsAnswer,
  type AssociationsOptions,
  type AssociationsRequest,
  type CheckedAssociations,
  DEFAULT_RESOURCE_TYPE,
  ERROR_CODES,
  LIFECYCLES,
  type Outcome,
  type PlannedAssociation,
  type SchemaVersion,
  checkAssociationType,
  checkAssociations,
  checkResource,
  invalidAssociation,
  planAssociations,
  qualifiedLike,
  subjectsOf,
} from '@fairlead/schemas'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import {
  type ResourceOperations,
  type ResourceQuestion,
  associationsOf,
  resourceOperationsOf,
  resourceQuestionsOf,
} from './association-bodies.ts'
import { associationEntity, associationsEntity } from './association-entities.ts'
import { HttpFailure, failureOf, notFound } from './errors.ts'
import type { RegistryRequests } from './registry-requests.ts'
import { bodyOf, flag, page, parameter, queryText, queryTexts, subjectOf } from './request.ts'
import { StoreError } from '../store/store-error.ts'

/** Confluent's default and maximum. */
const ASSOCIATIONS_PER_PAGE_MAX = 1_000
/** Of the schemas in the answer of one batch, in UTF-16 units; a batch may ask for one of them many times. */
const BATCH_TEXT_LENGTH_MAX = 16 * 1_024 * 1_024

/** Some of several requests may have failed. */
const MULTI_STATUS = 207

/** `/associations`: which subject the keys or values of a topic have their schemas in. */
export function associationRoutes(http: FastifyInstance, requests: RegistryRequests): void {
  const changes = new AssociationChanges(requests)

  http.get('/associations/subjects/:subject', async (request) => {
    const [subject, filter] = [subjectOf(request), filterOf(request)]
    const found = await requests.readList(request, (view) =>
      view.image.associations.ofSubject(view.aliased(subject), filter),
    )
    return page(request, found, ASSOCIATIONS_PER_PAGE_MAX).map(associationEntity)
  })
  http.get('/associations/resources/:namespace/:name', async (request) => {
    const resource = {
      namespace: parameter(request, 'namespace'),
      name: parameter(request, 'name'),
    }
    const filter = filterOf(request)
    const found = await requests.readList(request, ({ image }, mayRead) =>
      image.associations.ofResource(resource, filter).filter(({ subject }) => mayRead(subject)),
    )
    return page(request, found, ASSOCIATIONS_PER_PAGE_MAX).map(associationEntity)
  })
  http.get('/associations/resources/:id', async (request) => {
    const [resourceId, filter] = [parameter(request, 'id'), filterOf(request)]
    const found = await requests.readList(request, ({ image }, mayRead) =>
      image.associations.ofResourceId(resourceId, filter).filter(({ subject }) => mayRead(subject)),
    )
    return page(request, found, ASSOCIATIONS_PER_PAGE_MAX).map(associationEntity)
  })

  http.post('/associations', async (request) => {
    const answer = await changes.associate(request, associationsOf(bodyOf(request)), {
      isCreate: true,
      isDryRun: flag(request, 'dryRun'),
    })
    return associationsEntity(answer, requests.profile)
  })
  http.put('/associations/resources/:id', async (request) => {
    const [resourceId, body] = [parameter(request, 'id'), associationsOf(bodyOf(request))]
    if (body.resourceId !== undefined && body.resourceId !== resourceId) {
      const detail =
        'Resource ID in the path parameter does not match the resource ID in the request body'
      throw failureOf(invalidAssociation('resourceId', detail).failure, requests.profile)
    }
    const answer = await changes.associate(
      request,
      { ...body, resourceId },
      { isCreate: false, isDryRun: flag(request, 'dryRun') },
    )
    return associationsEntity(answer, requests.profile)
  })
  http.delete('/associations/resources/:id', async (request, reply) => {
    const [resourceId, filter] = [parameter(request, 'id'), filterOf(request)]
    const deleted = await changes.remove(request, {
      resourceId,
      filter,
      isCascade: flag(request, 'cascadeLifecycle'),
      isDryRun: flag(request, 'dryRun'),
    })
    if (deleted.length > 0) return reply.code(204).send()
    const message = `Association for '${resourceId}' not found.`
    throw new HttpFailure({ errorCode: ERROR_CODES.ASSOCIATION_NOT_FOUND, message })
  })

  batchRoutes(http, { requests, changes })
}

function batchRoutes(
  http: FastifyInstance,
  {
    requests,
    changes,
  }: { readonly requests: RegistryRequests; readonly changes: AssociationChanges },
): void {
  http.post('/associations::batchGet', async (request, reply) => {
    const questions = filled(resourceQuestionsOf(bodyOf(request)), requests)
    const withSchemas = flag(request, 'includeSchemas')
    const results: object[] = []
    let textLength = 0
    for (const question of questions) {
      // Each looks at all associations, and nothing that it waits for need be slow.
      await nextTurn()
      results.push(
        await resultOf(async () => {
          const answer = await answerTo(request, requests, { question, withSchemas })
          for (const { schema } of answer.associations) textLength += schema?.schema.length ?? 0
          if (textLength > BATCH_TEXT_LENGTH_MAX) throw tooMuchText()
          return associationsEntity(answer, requests.profile)
        }),
      )
    }
    return reply.code(MULTI_STATUS).send({ results })
  })
  http.post('/associations::batchMutate', async (request, reply) => {
    const isDryRun = flag(request, 'dryRun')
    const results: object[] = []
    for (const each of filled(resourceOperationsOf(bodyOf(request)), requests)) {
      results.push(
        await resultOf(async () => {
          const answer = await changes.carryOut(request, each, isDryRun)
          return associationsEntity(answer, requests.profile)
        }),
      )
    }
    return reply.code(MULTI_STATUS).send({ results })
  })
}

function tooMuchText(): HttpFailure {
  const message = `The schemas of one batch have more than ${BATCH_TEXT_LENGTH_MAX} characters: ask for fewer resources at a time`
  return new HttpFailure({ errorCode: 413, message })
}

function filled<Item>(list: readonly Item[], { profile }: RegistryRequests): readonly Item[] {
  if (list.length > 0) return list
  throw failureOf(invalidAssociation('requests', 'cannot be null or empty').failure, profile)
}

/** One result of a batch: an answer, or why there is none. */
async function resultOf(work: () => Promise<object>): Promise<object> {
  try {
    return { result: await work() }
  } catch (error) {
    if (!(error instanceof HttpFailure || error instanceof StoreError)) throw error
    return { error: { error_code: error.errorCode, message: error.message } }
  }
}

async function answerTo(
  request: FastifyRequest,
  requests: RegistryRequests,
  {
    question: { resource, associationTypes, lifecycle },
    withSchemas,
  }: { readonly question: ResourceQuestion; readonly withSchemas: boolean },
): Promise<AssociationsAnswer> {
  const { resourceId = '', resourceName = '', resourceNamespace = '' } = resource
  const invalid = (property: string, detail: string): HttpFailure =>
    failureOf(invalidAssociation(property, detail).failure, requests.profile)
  if (resourceId === '' && resourceName === '') {
    throw invalid('resourceId', 'either resourceId or resourceName must be specified')
  }
  if (resourceName !== '' && resourceNamespace === '') {
    const detail = 'resourceNamespace is required when resourceName is specified'
    throw invalid('resourceNamespace', detail)
  }
  const resourceType = resource.resourceType || DEFAULT_RESOURCE_TYPE
  const filter = { resourceType, associationTypes, lifecycle }
  const found = await requests.readList(request, ({ image }, mayRead) => {
    const { associations } = image
    const all =
      resourceId === ''
        ? associations.ofResource({ namespace: resourceNamespace, name: resourceName }, filter)
        : associations.ofResourceId(resourceId, filter)
    return all.filter(({ subject }) => mayRead(subject))
  })
  const [first] = found
  const named = {
    resourceName: resourceName || (first?.resourceName ?? ''),
    resourceNamespace: resourceNamespace || (first?.resourceNamespace ?? ''),
    resourceId: resourceId || first?.resourceId,
    resourceType,
  }
  if (!found.every((association) => isOf(named, association))) {
    throw invalid('resourceId', 'the associations are of several resources')
  }
  const { view } = requests.registry
  const latest = (subject: string): SchemaVersion | undefined => view.versions(subject, {}).at(-1)
  return {
    resource: named,
    associations: found.map((association) => ({
      ...association,
      schema: withSchemas ? latest(association.subject) : undefined,
    })),
  }
}

function isOf(resource: AssociationsAnswer['resource'], association: Association): boolean {
  return (
    association.resourceName === resource.resourceName &&
    association.resourceNamespace === resource.resourceNamespace &&
    association.resourceId === resource.resourceId
  )
}

type Removal = {
  readonly resourceId: string
  readonly filter: AssociationFilter
  readonly isCascade: boolean
  readonly isDryRun: boolean
}

/** Writes of associations, as far as the user may. */
class AssociationChanges {
  readonly #requests: RegistryRequests

  constructor(requests: RegistryRequests) {
    this.#requests = requests
  }

  /** @throws {HttpFailure} @throws {StoreError} */
  async associate(
    request: FastifyRequest,
    body: AssociationsRequest,
    options: AssociationsOptions,
  ): Promise<AssociationsAnswer> {
    const { registry } = this.#requests
    const checked = this.#value(checkAssociations(body, options))
    const context = queryText(request, 'context') ?? ''
    return this.#requests.writeSchemas<PlannedAssociation, AssociationsAnswer>(request, {
      plan: () => {
        this.#check(request, checked, context)
        return planAssociations(registry.view, checked, { ...options, context })
      },
      decide: (planned, judged) =>
        registry.decideAssociations(checked.resource, {
          ...options,
          planned,
          judged,
          newGuid: randomUUID,
        }),
    })
  }

  /** Those that were taken away. @throws {HttpFailure} @throws {StoreError} */
  remove(
    request: FastifyRequest,
    { resourceId, filter, isCascade, isDryRun }: Removal,
  ): Promise<readonly Association[]> {
    return this.#requests.write(request, (registry) => {
      const found = registry.view.image.associations
        .ofResourceId(resourceId, filter)
        .filter(({ subject }) => this.#requests.may(request, 'read', subject))
      for (const association of found) {
        this.#checkTopic(request, association)
        if (isCascade) this.#require(request, 'delete', association.subject)
      }
      return registry.decideDeleteAssociations(found, { isCascade, isDryRun })
    })
  }

  /** One operation after the other; what comes before one that fails stays. */
  async carryOut(
    request: FastifyRequest,
    { resource: named, operations }: ResourceOperations,
    isDryRun: boolean,
  ): Promise<AssociationsAnswer> {
    const resource = this.#value(checkResource(named, { isDryRun }))
    if (operations.length === 0) {
      this.#value(invalidAssociation('associations', 'cannot be null or empty'))
    }
    const { resourceId = '', resourceType } = resource
    const registered = new Map<string, SchemaVersion>()
    for (const operation of operations) {
      if (operation.kind === 'DELETE') {
        const type = this.#value(checkAssociationType(operation.associationType))
        const filter = { resourceType, associationTypes: [type] }
        await this.remove(request, { ...operation, resourceId, filter, isDryRun })
        continue
      }
      const { associations } = await this.associate(
        request,
        { ...named, associations: [operation.wish] },
        { isCreate: operation.kind === 'CREATE', isDryRun },
      )
      for (const { associationType, schema } of associations) {
        if (schema !== undefined) registered.set(associationType, schema)
      }
    }
    if (isDryRun) return { resource, associations: [] }
    const { associations } = this.#requests.registry.view.image
    return {
      resource,
      associations: associations
        .ofResourceId(resourceId, { resourceType })
        .filter((association) => isOf(resource, association))
        .filter(({ subject }) => this.#requests.may(request, 'read', subject))
        .map((one) => ({ ...one, schema: registered.get(one.associationType) })),
    }
  }

  /**
   * An association decides where clients look for the schemas of a topic: it takes what settings of the subject
   * `<topic>-key` or `<topic>-value` take, as an alias would, and writing to the subject that is meant.
   */
  #check(request: FastifyRequest, checked: CheckedAssociations, context: string): void {
    const { wishes } = checked
    for (const { resourceName, subject, associationType } of subjectsOf(
      this.#requests.registry.view,
      checked,
      context,
    )) {
      this.#checkTopic(request, { resourceName, associationType })
      this.#require(request, 'write', subject)
      const { schema } = wishes.find((wish) => wish.associationType === associationType) ?? {}
      for (const reference of schema?.references ?? []) {
        this.#require(request, 'read', qualifiedLike(subject, reference.subject))
      }
    }
  }

  #checkTopic(
    request: FastifyRequest,
    { resourceName, associationType }: Pick<Association, 'resourceName' | 'associationType'>,
  ): void {
    this.#require(request, 'config', `${resourceName}-${associationType}`)
  }

  #require(request: FastifyRequest, role: 'read' | 'write' | 'delete' | 'config', subject: string) {
    if (this.#requests.may(request, role, subject)) return
    throw new HttpFailure({ errorCode: 403, message: 'User is denied operation on this server.' })
  }

  #value<Value>(outcome: Outcome<Value>): Value {
    if (outcome.ok) return outcome.value
    throw failureOf(outcome.failure, this.#requests.profile)
  }
}

/** `resourceType` (a topic unless it is given), `associationType` and `lifecycle` of the query. */
function filterOf(request: FastifyRequest): AssociationFilter {
  const text = queryText(request, 'lifecycle')
  const lifecycle = LIFECYCLES.find((each) => each === text)
  // As Confluent's registry answers a parameter that it cannot read.
  if (text !== undefined && text !== '' && lifecycle === undefined) throw notFound()
  return {
    resourceType: queryText(request, 'resourceType') || DEFAULT_RESOURCE_TYPE,
    associationTypes: queryTexts(request, 'associationType'),
    lifecycle,
  }
}
