import { createRequire } from 'node:module'
import type { Ajv, ErrorObject, ValidateFunction } from 'ajv'
import type { AppContext, ConfigSpec } from '@fairlead/service'
import { refuseOtherMethods } from './other-methods.ts'

/** Loaded with the first request that is validated: a projector that is killed is back before it. */
const require = createRequire(import.meta.url)

/**
 * Has requests taken as they are. Fastify would leave out what a schema does not know, and bend a body
 * until it fits, null to "": an order with a typing error in it would then mean something else.
 * Query strings and paths are text, of which numbers are read. Routes behind this take no query, and no body, that
 * they have no schema for, and no other method.
 */
export function takeStrictly(http: AppContext<ConfigSpec>['http']): void {
  // `verbose` has errors name the rule that was broken; of all errors, the one that says most is told.
  const options = { useDefaults: true, verbose: true, allErrors: true }
  const validators = onFirstUse(() => {
    const ajv = require('ajv') as { readonly Ajv: typeof Ajv }
    return {
      bodies: new ajv.Ajv({ ...options, allowUnionTypes: true }),
      texts: new ajv.Ajv({ ...options, coerceTypes: true }),
    }
  })
  http.setValidatorCompiler<object>(({ schema, httpPart }) =>
    compiledOnce(() => validators()[httpPart === 'body' ? 'bodies' : 'texts'].compile(schema)),
  )
  http.setSchemaErrorFormatter((errors, part) => new Error(part + problemOf(errors)))
  http.addHook('onRequest', async ({ url }, reply) => {
    // Postgres has no text with NUL in it.
    if (!url.includes('%00')) return
    return reply.code(400).send({ message: 'there is a NUL in the address' })
  })
  refuseOtherMethods(http)
  http.addHook('onRoute', (route) => {
    route.schema = { querystring: NO_QUERY, ...route.schema }
  })
  http.addHook('preValidation', async ({ body, is404, routeOptions }, reply) => {
    const isLookedAt = routeOptions.schema?.body !== undefined
    if (isLookedAt || is404 || saysNothing(body)) return
    const message = `${routeOptions.url} takes no body: what it is told is in the query`
    return reply.code(400).send({ message })
  })
}

/** Clients may send an empty object with each request that has a body. */
function saysNothing(body: unknown): boolean {
  if (typeof body !== 'object') return body === undefined
  return body === null || Object.keys(body).length === 0
}

const NO_QUERY = { type: 'object', additionalProperties: false } as const

function onFirstUse<Value>(make: () => Value): () => Value {
  let value: Value | undefined
  return () => (value ??= make())
}

type Broken = Pick<ErrorObject, 'keyword' | 'instancePath' | 'params' | 'message' | 'schema'>

/** Where, and which rule is broken: with the values or members that would do. */
function problemOf(errors: readonly Broken[]): string {
  // A typing error explains what is missing; each alternative of `oneOf` has an error of its own, before that of all.
  const broken =
    errors.find(({ keyword }) => keyword === 'additionalProperties') ??
    errors.find(({ keyword }) => keyword === 'oneOf') ??
    errors[0]
  if (broken === undefined) return ' is not valid'
  const { keyword, instancePath: path, params, message, schema } = broken
  switch (keyword) {
    case 'additionalProperties':
      return `${path} has "${params['additionalProperty']}", which is unknown here`
    case 'enum':
      return `${path} must be one of ${(params['allowedValues'] as readonly string[]).join(', ')}`
    case 'const':
      return `${path} must be ${JSON.stringify(params['allowedValue'])}`
    case 'not':
      return `${path} must not be ${JSON.stringify((schema as { const?: unknown }).const)}`
    case 'oneOf':
      return `${path} must have one of ${alternativesOf(schema).join(', ')}, and no more than one`
    default:
      return `${path} ${message}`
  }
}

function alternativesOf(schema: unknown): readonly string[] {
  return (schema as readonly { readonly required: readonly string[] }[]).flatMap(
    ({ required }) => required,
  )
}

type Validate = { (value: unknown): boolean; errors?: ErrorObject[] | null }

/** Compiled with the first request: all schemas of all routes take a part of the start that can be told. */
function compiledOnce(compile: () => ValidateFunction): Validate {
  const compiled = onFirstUse(compile)
  const validate: Validate = (value) => {
    const isValid = compiled()(value)
    validate.errors = compiled().errors ?? null
    return isValid
  }
  return validate
}
