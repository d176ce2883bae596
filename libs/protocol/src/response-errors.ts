import { API_DEFINITIONS, type ApiName } from './apis.ts'
import type { ErrorCode } from './error-codes.ts'
import type { Fields } from './schema/field.ts'

/** Where in a struct error codes are: in the struct itself, and in fields that hold structs. */
type ErrorPlaces = {
  readonly hasError: boolean
  readonly nested: readonly (readonly [name: string, places: ErrorPlaces])[]
}

const placesByApi = new Map<ApiName, ErrorPlaces>()

/** How often each error code is in a response, NONE included. A code that is left out is NONE. */
export function responseErrors(name: ApiName, response: object): ReadonlyMap<ErrorCode, number> {
  let places = placesByApi.get(name)
  if (places === undefined) {
    places = errorPlaces(API_DEFINITIONS[name].response)
    placesByApi.set(name, places)
  }
  const counts = new Map<ErrorCode, number>()
  countErrors(response, places, counts)
  return counts
}

function errorPlaces(fields: Fields): ErrorPlaces {
  const nested: (readonly [string, ErrorPlaces])[] = []
  for (const [name, field] of Object.entries(fields)) {
    const inner = 'struct' in field ? field.struct : 'array' in field ? field.array : undefined
    if (inner === undefined || typeof inner === 'string') continue
    const places = errorPlaces(inner)
    if (places.hasError || places.nested.length > 0) nested.push([name, places])
  }
  const hasError = Object.values(fields).some(
    (field) => 'type' in field && field.type === 'errorCode',
  )
  return { hasError, nested }
}

function countErrors(
  struct: object,
  { hasError, nested }: ErrorPlaces,
  counts: Map<ErrorCode, number>,
): void {
  const values = struct as Readonly<Record<string, unknown>>
  if (hasError) {
    const code = (values['errorCode'] ?? 'NONE') as ErrorCode
    counts.set(code, (counts.get(code) ?? 0) + 1)
  }
  for (const [name, places] of nested) {
    const value = values[name]
    if (Array.isArray(value)) for (const each of value) countErrors(each, places, counts)
    else if (typeof value === 'object' && value !== null) countErrors(value, places, counts)
  }
}
