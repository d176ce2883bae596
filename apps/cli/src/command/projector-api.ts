import { type OptionDefinition, type OptionValues, textOption } from './command.ts'
import { HttpApi, TOKEN_OPTION } from './http-api.ts'

export const PROJECTOR_OPTION: Readonly<Record<string, OptionDefinition>> = {
  projector: {
    value: 'url',
    doc: 'the HTTP address of a projector (default: $FAIRLEAD_PROJECTOR, then http://127.0.0.1:8084)',
  },
  ...TOKEN_OPTION,
}

/** Of a projection. */
export const VERSION_MAX = 2_147_483_647
const PROJECTOR_DEFAULT = 'http://127.0.0.1:8084'

/** @throws {UsageError} when the address is no URL. */
export function projectorApi(options: OptionValues): HttpApi {
  const url =
    textOption(options, 'projector') ?? process.env['FAIRLEAD_PROJECTOR'] ?? PROJECTOR_DEFAULT
  return new HttpApi({ service: 'projector', url }, options)
}
