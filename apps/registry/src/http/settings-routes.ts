import { type JsonObject, type JsonValue, writeJson } from '@fairlead/avro'
import {
  type SettingsChange,
  canonicalMetadata,
  definedMembers,
  failed,
  success,
} from '@fairlead/schemas'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { settingsEntity } from './entities.ts'
import { badRequest } from './errors.ts'
import type { RegistryRequests } from './registry-requests.ts'
import { type Body, bodyOf, flag, jsonMember, optionalString, subjectOf } from './request.ts'

/** `/config` and `/mode`, global and per subject. */
export function settingsRoutes(http: FastifyInstance, requests: RegistryRequests): void {
  configRoutes(http, requests)
  modeRoutes(http, requests)
}

function configRoutes(http: FastifyInstance, requests: RegistryRequests): void {
  const put = async (request: FastifyRequest, subject: string | undefined) => {
    const change = settingsChangeOf(request)
    await requests.write(request, (registry) => registry.decideSettings(subject, change))
    return echoOf(change)
  }
  const remove = async (request: FastifyRequest, subject: string | undefined) => {
    const removed = await requests.write(request, (registry) =>
      registry.decideDeleteSettings(subject),
    )
    const { compatibilityLevel } = removed
    // franz-go and Karapace's clients read the level by the name that it has in requests.
    const named = compatibilityLevel === undefined ? {} : { compatibility: compatibilityLevel }
    return { ...settingsEntity(removed), ...named }
  }

  http.get('/config', async (request) =>
    settingsEntity(await requests.read(request, (view) => success(view.globalSettings()))),
  )
  http.put('/config', async (request) => put(request, undefined))
  http.delete('/config', async (request) => remove(request, undefined))

  http.get('/config/:subject', async (request) => {
    const [subject, defaultToGlobal] = [subjectOf(request), flag(request, 'defaultToGlobal')]
    return settingsEntity(
      await requests.read(request, (view) => {
        const own = view.image.settings(subject)
        if (own !== undefined && !defaultToGlobal) return success(own)
        if (defaultToGlobal) return success(view.effectiveSettings(subject))
        return failed(
          'SUBJECT_CONFIG_NOT_FOUND',
          `Subject '${subject}' does not have subject-level compatibility configured`,
        )
      }),
    )
  })
  http.put('/config/:subject', async (request) => put(request, subjectOf(request)))
  http.delete('/config/:subject', async (request) => remove(request, subjectOf(request)))
}

function modeRoutes(http: FastifyInstance, requests: RegistryRequests): void {
  const change = async (request: FastifyRequest, subject: string | undefined) => {
    const text = optionalString(bodyOf(request), 'mode') ?? undefined
    const force = flag(request, 'force')
    const mode = await requests.write(request, (registry) =>
      registry.decideMode(subject, text, { force }),
    )
    return { mode }
  }
  const remove = async (request: FastifyRequest, subject: string | undefined) => {
    const recursive = flag(request, 'recursive')
    const mode = await requests.write(request, (registry) =>
      registry.decideDeleteMode(subject, { recursive }),
    )
    return { mode }
  }

  http.get('/mode', async (request) => ({
    mode: await requests.read(request, (view) => success(view.globalMode())),
  }))
  http.put('/mode', async (request) => change(request, undefined))
  http.delete('/mode', async (request) => remove(request, undefined))

  http.get('/mode/:subject', async (request) => {
    const [subject, defaultToGlobal] = [subjectOf(request), flag(request, 'defaultToGlobal')]
    const mode = await requests.read(request, (view) => {
      const own = view.image.mode(subject)
      if (own !== undefined) return success(own)
      if (defaultToGlobal) return success(view.effectiveMode(subject))
      return failed(
        'SUBJECT_MODE_NOT_FOUND',
        `Subject '${subject}' does not have subject-level mode configured`,
      )
    })
    return { mode }
  })
  http.put('/mode/:subject', async (request) => change(request, subjectOf(request)))
  http.delete('/mode/:subject', async (request) => remove(request, subjectOf(request)))
}

/** Absent members are kept, null clears them. */
function settingsChangeOf(request: FastifyRequest): SettingsChange {
  const body = bodyOf(request)
  const compatibility = optionalString(body, 'compatibility')
  const normalize = body['normalize']
  if (normalize !== undefined && normalize !== null && typeof normalize !== 'boolean') {
    throw badRequest('"normalize" must be true or false')
  }
  return {
    ...(compatibility === undefined ? {} : { compatibility }),
    ...(normalize === undefined ? {} : { normalize }),
    others: otherSettingsOf(body),
  }
}

const OTHER_SETTINGS: Readonly<Record<string, JsonValue['kind']>> = {
  compatibilityGroup: 'string',
  compatibilityPolicy: 'string',
  validateFields: 'boolean',
  validateNewSchemas: 'boolean',
  validateRules: 'boolean',
  alias: 'string',
  aliasForDeks: 'string',
  defaultMetadata: 'object',
  overrideMetadata: 'object',
  defaultRuleSet: 'object',
  overrideRuleSet: 'object',
}

function otherSettingsOf(body: Body): ReadonlyMap<string, JsonValue> {
  const others = new Map<string, JsonValue>()
  for (const [name, kind] of Object.entries(OTHER_SETTINGS)) {
    const value = jsonMember(body, name)
    if (value === undefined) continue
    if (value.kind !== kind && value.kind !== 'null')
      throw badRequest(`"${name}" must be a ${kind}`)
    const kept = value.kind === 'object' ? settingObject(name, value) : value
    if (kept === undefined) throw badRequest(`"${name}" is no metadata`)
    others.set(name, kept)
  }
  return others
}

function settingObject(name: string, value: JsonObject): JsonObject | undefined {
  return name.endsWith('Metadata') ? canonicalMetadata(value) : definedMembers(value)
}

/** Confluent echoes what was set. */
function echoOf({ compatibility, normalize, others = new Map() }: SettingsChange): object {
  const values = [...others].map(([name, value]) => [name, JSON.parse(writeJson(value)) as unknown])
  return {
    ...(compatibility === undefined ? {} : { compatibility }),
    ...(normalize === undefined ? {} : { normalize }),
    ...(Object.fromEntries(values) as object),
  }
}
