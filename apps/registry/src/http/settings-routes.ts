import { type SettingsChange, failed, success } from '@fairlead/schemas'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { settingsEntity } from './entities.ts'
import { badRequest } from './errors.ts'
import type { RegistryRequests } from './registry-requests.ts'
import { bodyOf, flag, optionalString, subjectOf } from './request.ts'

/** `/config` and `/mode`, global and per subject. */
export function settingsRoutes(http: FastifyInstance, requests: RegistryRequests): void {
  configRoutes(http, requests)
  modeRoutes(http, requests)
}

function configRoutes(http: FastifyInstance, requests: RegistryRequests): void {
  const change = async (request: FastifyRequest, subject: string | undefined) => {
    const body = settingsChangeOf(request)
    await requests.write((registry) => registry.decideSettings(subject, body))
    return body
  }
  const remove = async (subject: string | undefined) =>
    settingsEntity(await requests.write((registry) => registry.decideDeleteSettings(subject)))

  http.get('/config', async () =>
    settingsEntity(await requests.read((view) => success(view.globalSettings()))),
  )
  http.put('/config', async (request) => change(request, undefined))
  http.delete('/config', async () => remove(undefined))

  http.get('/config/:subject', async (request) => {
    const [subject, defaultToGlobal] = [subjectOf(request), flag(request, 'defaultToGlobal')]
    return settingsEntity(
      await requests.read((view) => {
        const own = view.image.settings(subject)
        if (own?.compatibilityLevel !== undefined) return success(own)
        if (defaultToGlobal) return success(view.effectiveSettings(subject))
        return failed(
          'SUBJECT_CONFIG_NOT_FOUND',
          `Subject '${subject}' does not have subject-level compatibility configured`,
        )
      }),
    )
  })
  http.put('/config/:subject', async (request) => change(request, subjectOf(request)))
  http.delete('/config/:subject', async (request) => remove(subjectOf(request)))
}

function modeRoutes(http: FastifyInstance, requests: RegistryRequests): void {
  const change = async (request: FastifyRequest, subject: string | undefined) => {
    const text = optionalString(bodyOf(request), 'mode') ?? undefined
    const force = flag(request, 'force')
    const mode = await requests.write((registry) => registry.decideMode(subject, text, { force }))
    return { mode }
  }
  const remove = async (subject: string | undefined) => ({
    mode: await requests.write((registry) => registry.decideDeleteMode(subject)),
  })

  http.get('/mode', async () => ({
    mode: await requests.read((view) => success(view.globalMode())),
  }))
  http.put('/mode', async (request) => change(request, undefined))
  http.delete('/mode', async () => remove(undefined))

  http.get('/mode/:subject', async (request) => {
    const [subject, defaultToGlobal] = [subjectOf(request), flag(request, 'defaultToGlobal')]
    const mode = await requests.read((view) => {
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
  http.delete('/mode/:subject', async (request) => remove(subjectOf(request)))
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
  }
}
