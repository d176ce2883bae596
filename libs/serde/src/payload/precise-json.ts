import { errorMessage } from '@fairlead/base'
import { EncodeError } from '../datum/datum-encoder.ts'

/** What newer engines hand to a reviver beside name and value. */
type Source = { readonly source?: string }
type Reviver = (name: string, value: unknown, context: Source) => unknown

const parse = JSON.parse as (text: string, reviver: Reviver) => unknown

/**
 * JSON whose integers beyond 2^53 are bigints: as doubles they would lose digits.
 *
 * @throws {EncodeError}
 */
export function parsePreciseJson(text: string): unknown {
  try {
    return parse(text, (_, value, { source }) => {
      if (typeof value !== 'number' || Number.isSafeInteger(value)) return value
      return source !== undefined && /^-?\d+$/.test(source) ? BigInt(source) : value
    })
  } catch (error) {
    throw new EncodeError(`it is no JSON (${errorMessage(error)})`, '')
  }
}
