import { errorMessage } from '@fairlead/base'
import { Ajv } from 'ajv'
import { Ajv2019 } from 'ajv/dist/2019.js'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { EncodeError } from '../datum/datum-encoder.ts'
import { RegistryError } from '../registry-error.ts'
import { withWirePrefix } from '../wire-format.ts'
import type { LoadedSchema, PayloadEncoder } from './payload-encoder.ts'

const TEXT = new TextEncoder()

/** The document goes out as it is written, once it is valid: drafts 6 to 2020-12. */
export function jsonSchemaPayloadEncoder(loaded: LoadedSchema): PayloadEncoder {
  const { schemaId, subject, version, schemaType } = loaded
  const validate = compile(loaded)
  return {
    schemaId,
    subject,
    version,
    schemaType,
    encode: (json) => {
      let value: unknown
      try {
        value = JSON.parse(json)
      } catch (error) {
        throw new EncodeError(`it is no JSON (${errorMessage(error)})`, '')
      }
      if (!validate(value)) {
        const [first] = validate.errors ?? []
        const extra = first?.params['additionalProperty'] as unknown
        const named = typeof extra === 'string' ? ` ("${extra}")` : ''
        throw new EncodeError(
          `it ${first?.message ?? 'is not valid'}${named}`,
          first?.instancePath ?? '',
        )
      }
      return withWirePrefix(schemaId, TEXT.encode(json))
    },
  }
}

function compile({ schema, referenced, subject, version }: LoadedSchema) {
  // Formats are annotations, as the drafts have it; a keyword that is unknown is passed over.
  const options = { strict: false, validateFormats: false, logger: false } as const
  try {
    const parsed = JSON.parse(schema) as boolean | { readonly $schema?: string }
    const draft = typeof parsed === 'object' ? (parsed.$schema ?? '') : ''
    const ajv = draft.includes('2020-12')
      ? new Ajv2020(options)
      : draft.includes('2019-09')
        ? new Ajv2019(options)
        : new Ajv({ ...options, validateSchema: draft.includes('draft-07') })
    for (const { name, text } of referenced) ajv.addSchema(JSON.parse(text) as object, name)
    return ajv.compile(parsed)
  } catch (error) {
    throw new RegistryError(
      `version ${version} of subject ${subject} cannot be used: ${errorMessage(error)}`,
      { retryable: false, cause: error },
    )
  }
}
