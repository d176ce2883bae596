/**
 * What the registry answers instead of a result. `errorCode` is Confluent's (profile 8): its first
 * three digits are the HTTP status.
 */
export type Failure = { readonly errorCode: ErrorCode; readonly message: string }

export type Outcome<Value> =
  | { readonly ok: true; readonly value: Value }
  | { readonly ok: false; readonly failure: Failure }

export const ERROR_CODES = {
  SUBJECT_NOT_FOUND: 40401,
  VERSION_NOT_FOUND: 40402,
  SCHEMA_NOT_FOUND: 40403,
  SUBJECT_SOFT_DELETED: 40404,
  SUBJECT_NOT_SOFT_DELETED: 40405,
  VERSION_SOFT_DELETED: 40406,
  VERSION_NOT_SOFT_DELETED: 40407,
  SUBJECT_CONFIG_NOT_FOUND: 40408,
  SUBJECT_MODE_NOT_FOUND: 40409,
  ASSOCIATION_NOT_FOUND: 40410,
  INCOMPATIBLE_SCHEMA: 40901,
  RESOURCE_IS_ASSOCIATED: 40903,
  SUBJECT_IS_ASSOCIATED: 40904,
  SUBJECT_IS_OWNED: 40905,
  NO_LIVE_VERSION: 40907,
  ASSOCIATION_FROZEN: 40908,
  INVALID_SCHEMA: 42201,
  INVALID_VERSION: 42202,
  INVALID_COMPATIBILITY_LEVEL: 42203,
  INVALID_MODE: 42204,
  OPERATION_NOT_PERMITTED: 42205,
  REFERENCE_EXISTS: 42206,
  ID_DOES_NOT_MATCH: 42207,
  INVALID_SUBJECT: 42208,
  SCHEMA_TOO_LARGE: 42209,
  INVALID_RULESET: 42210,
  CONTEXT_NOT_EMPTY: 42211,
  INVALID_ASSOCIATION: 42212,
} as const
export type ErrorCode = (typeof ERROR_CODES)[keyof typeof ERROR_CODES]

export function success<Value>(value: Value): Outcome<Value> {
  return { ok: true, value }
}

export function failed(errorName: keyof typeof ERROR_CODES, message: string): Refused {
  return { ok: false, failure: { errorCode: ERROR_CODES[errorName], message } }
}

/** Of a value that is there; a failure stays what it is. */
export function mapped<Value, Mapped>(
  outcome: Outcome<Value>,
  map: (value: Value) => Mapped,
): Outcome<Mapped> {
  return outcome.ok ? success(map(outcome.value)) : outcome
}

/** An outcome that fits wherever an outcome is due. */
export type Refused = { readonly ok: false; readonly failure: Failure }

/** A schema cannot go while others refer to it. */
export function referenceExists({
  subject,
  version,
}: {
  readonly subject: string
  readonly version: number
}): Refused {
  return failed(
    'REFERENCE_EXISTS',
    `One or more references exist to the schema {magic=1,keytype=SCHEMA,subject=${subject},version=${version}}.`,
  )
}

/** What an association leads to has a version that is live. */
export function noLiveVersion(subject: string): Refused {
  return failed(
    'NO_LIVE_VERSION',
    `No active (non-deleted) version exists for subject '${subject}'`,
  )
}
