import { writeJson } from '@fairlead/avro'
import {
  type CompatibilityVerdict,
  ERROR_CODES,
  type Explanation,
  patchText,
  success,
} from '@fairlead/schemas'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { ConsumerReaders } from '../readers/consumer-readers.ts'
import { HttpFailure } from './errors.ts'
import { wantsExplanation } from './media-types.ts'
import { consumersOf } from './reader-routes.ts'
import type { RegistryRequests } from './registry-requests.ts'
import { flag, schemaRequestOf, subjectOf, versionOf } from './request.ts'

export type OnCheck = (check: { readonly isCompatible: boolean; readonly level: string }) => void

/** `/compatibility`: the check without the registration. */
export function compatibilityRoutes(
  http: FastifyInstance,
  requests: RegistryRequests,
  { readers, onCheck }: { readonly readers: ConsumerReaders; readonly onCheck: OnCheck },
): void {
  const check = async (
    request: FastifyRequest,
    version: number | 'latest' | undefined,
  ): Promise<object> => {
    const [subject, body] = [subjectOf(request), schemaRequestOf(request)]
    const verbose = flag(request, 'verbose')
    const verdict = await requests
      .inquire(request, (view) =>
        success({ kind: 'check', subject: view.aliased(subject), version, request: body }),
      )
      .catch((error: unknown) => unparsable(error, verbose))
    const level = requests.registry.view.effectiveSettings(subject).compatibilityLevel
    onCheck({ isCompatible: verdict.isCompatible, level })
    const answer = { is_compatible: verdict.isCompatible }
    return verbose ? { ...answer, messages: verdict.messages } : answer
  }

  /** Nobody reads with a schema that is none, and nothing is written with it. */
  const consumersIfValid = async (request: FastifyRequest): Promise<object> =>
    consumersOf(request, requests, readers).then(
      (consumers) => ({ consumers }),
      (error: unknown) => (isInvalidSchema(error) ? {} : Promise.reject(error)),
    )

  const answerTo = async (request: FastifyRequest, version: number | 'latest' | undefined) => {
    const plain = await check(request, version)
    if (!wantsExplanation(request)) return plain
    const answer = { ...plain, ...(await consumersIfValid(request)) }
    if (!flag(request, 'verbose')) return answer
    const [subject, body] = [subjectOf(request), schemaRequestOf(request)]
    const explanation = await requests
      .inquire(request, (view) =>
        success({ kind: 'explain', subject: view.aliased(subject), version, request: body }),
      )
      .catch(() => undefined)
    return explanation === undefined ? answer : { ...answer, ...explanationEntity(explanation) }
  }

  http.post('/compatibility/subjects/:subject/versions/:version', async (request) =>
    answerTo(request, versionOf(request)),
  )

  http.post('/compatibility/subjects/:subject/versions', async (request) =>
    answerTo(request, undefined),
  )
}

/** What our media type has beyond Confluent's answer. */
function explanationEntity({ details, patch, warnings }: Explanation): object {
  return {
    details: details.map(({ patch: own, sample, ...detail }) => ({
      ...detail,
      ...(own === undefined ? {} : { patch: JSON.parse(patchText(own)) as unknown }),
      ...(sample === undefined ? {} : { sample: JSON.parse(writeJson(sample)) as unknown }),
    })),
    ...(patch === undefined ? {} : { patch: JSON.parse(patchText(patch)) as unknown }),
    warnings,
  }
}

/** Confluent answers 200 for a schema that it cannot parse, when it may say why. */
function unparsable(error: unknown, verbose: boolean): CompatibilityVerdict {
  if (!isInvalidSchema(error) || !verbose) throw error
  return { isCompatible: false, messages: [error.message] }
}

function isInvalidSchema(error: unknown): error is HttpFailure {
  return error instanceof HttpFailure && error.errorCode === ERROR_CODES.INVALID_SCHEMA
}
