import { createRequire } from 'node:module'
import type { Ajv, ErrorObject, ValidateFunction } from 'ajv'
import type { AppContext, ConfigSpec } from '@fairlead/service'

/** Loaded with the first request that is validated: a projector that is killed is back before it. */
const require = createRequire(import.meta.url)

/**
 * Has requests taken as they are. Fastify would leave out what a schema does not know, and bend a body
 * until it fits, null to "": an order with a typing error in it would then mean something else.
 * Query strings and paths are text, of which numbers are read.
 */
export function takeStrictly(http: AppContext<ConfigSpec>['http']): void {
  const validators = onFirstUse(() => {
    const ajv = require('ajv') as { readonly Ajv: typeof Ajv }
    return {
      bodies: new ajv.Ajv({ useDefaults: true, allowUnionTypes: true }),
      texts: new ajv.Ajv({ useDefaults: true, coerceTypes: true }),
    }
  })
  http.setValidatorCompiler<object>(({ schema, httpPart }) =>
    compiledOnce(() => validators()[httpPart === 'body' ? 'bodies' : 'texts'].compile(schema)),
  )
  http.setSchemaErrorFormatter(([first], part) => {
    const unknown = first?.params['additionalProperty']
    const problem =
      typeof unknown === 'string'
        ? ` has "${unknown}", which is unknown here`
        : `${first?.instancePath} ${first?.message}`
    return new Error(part + problem)
  })
  http.addHook('onRequest', async ({ url }, reply) => {
    // Postgres has no text with NUL in it.
    if (!url.includes('%00')) return
    return reply.code(400).send({ message: 'there is a NUL in the address' })
  })
}

function onFirstUse<Value>(make: () => Value): () => Value {
  let value: Value | undefined
  return () => (value ??= make())
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
