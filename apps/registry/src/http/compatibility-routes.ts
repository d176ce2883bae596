import { type CompatibilityVerdict, ERROR_CODES, type SchemaRequest } from '@fairlead/schemas'
import type { FastifyInstance } from 'fastify'
import { HttpFailure } from './errors.ts'
import type { RegistryRequests } from './registry-requests.ts'
import { flag, schemaRequestOf, subjectOf, versionOf } from './request.ts'

export type OnCheck = (check: { readonly isCompatible: boolean; readonly level: string }) => void

/** `/compatibility`: the check without the registration. */
export function compatibilityRoutes(
  http: FastifyInstance,
  requests: RegistryRequests,
  onCheck: OnCheck,
): void {
  const check = async (
    subject: string,
    version: number | 'latest' | undefined,
    options: { readonly body: SchemaRequest; readonly verbose: boolean },
  ): Promise<object> => {
    const { body, verbose } = options
    const verdict = await requests
      .read((view) => requests.registry.checkCompatibility(view.aliased(subject), version, body))
      .catch((error: unknown) => unparsable(error, verbose))
    const level = requests.registry.view.effectiveSettings(subject).compatibilityLevel
    onCheck({ isCompatible: verdict.isCompatible, level })
    const answer = { is_compatible: verdict.isCompatible }
    return verbose ? { ...answer, messages: verdict.messages } : answer
  }

  http.post('/compatibility/subjects/:subject/versions/:version', async (request) =>
    check(subjectOf(request), versionOf(request), {
      body: schemaRequestOf(request),
      verbose: flag(request, 'verbose'),
    }),
  )

  http.post('/compatibility/subjects/:subject/versions', async (request) =>
    check(subjectOf(request), undefined, {
      body: schemaRequestOf(request),
      verbose: flag(request, 'verbose'),
    }),
  )
}

/** Confluent answers 200 for a schema that it cannot parse, when it may say why. */
function unparsable(error: unknown, verbose: boolean): CompatibilityVerdict {
  const isInvalid = error instanceof HttpFailure && error.errorCode === ERROR_CODES.INVALID_SCHEMA
  if (!isInvalid || !verbose) throw error
  return { isCompatible: false, messages: [error.message] }
}
