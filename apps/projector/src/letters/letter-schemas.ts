import { KEY_PLACE_PATTERN } from '../store/list-letters.ts'

export type LetterQuery = {
  readonly projection?: string
  readonly version?: number | 'live'
  readonly key?: string
  readonly tenant?: string
  readonly kind?: 'failed' | 'blocked'
  readonly fingerprint?: string
  readonly errorClass?: string
  readonly limit: number
  readonly after: string
  readonly whole?: boolean
  readonly reveal?: boolean
}

export type KeyQuery = {
  readonly projection?: string
  readonly version?: number | 'live'
  readonly tenant?: string
  readonly fingerprint?: string
  readonly errorClass?: string
  readonly olderThanMs?: number
  readonly limit: number
  readonly after?: string
}

type VersionQuery = Pick<LetterQuery, 'projection' | 'version' | 'limit'>

export type CauseQuery = VersionQuery & Pick<LetterQuery, 'tenant'>

export type ActionQuery = VersionQuery &
  Pick<LetterQuery, 'key'> & {
    readonly after?: string
  }

export type ReplayQuery = VersionQuery & {
  readonly after?: string
}

/** What an order is about, and who gives it. */
export type OrderBody = {
  readonly projection: string
  readonly version?: number | 'live'
  readonly id?: string
  readonly key?: string
  readonly tenant?: string
  readonly fingerprint?: string
  readonly errorClass?: string
  readonly all?: true
  readonly actor: string
  readonly reason: string
  readonly lettersPerSecond?: number
}

const LIMIT_DEFAULT = 100
const LIMIT_MAX = 1_000
const RATE_MAX = 1_000_000
const VERSION_MAX = 2 ** 31 - 1
/** Most of it is the name of a topic, which has 249 characters at most. */
const KEY_PLACE_LENGTH_MAX = 350
const AGE_MAX_MS = 100 * 365 * 86_400_000

const limit = { type: 'integer', minimum: 1, maximum: LIMIT_MAX, default: LIMIT_DEFAULT } as const
const version = {
  anyOf: [{ type: 'integer', minimum: 1, maximum: VERSION_MAX }, { const: 'live' }],
} as const
const fingerprint = { type: 'string', pattern: '^[0-9a-f]{16}$' } as const
// Postgres has no text with NUL in it.
const text = { type: 'string', pattern: '^[^\\u0000]*$' } as const
const filledText = { ...text, minLength: 1, maxLength: 1_000 } as const
// No tenant is empty: keys without one have none.
const tenant = { ...text, minLength: 1 } as const
const request = { type: 'string', pattern: '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' } as const
const letterId = { type: 'string', pattern: '^\\d{1,18}$' } as const

export const lettersSchema = {
  querystring: {
    ...queryOf({
      projection: text,
      version,
      key: text,
      tenant,
      kind: { enum: ['failed', 'blocked'] },
      fingerprint,
      errorClass: text,
      limit,
      after: { ...letterId, default: '0' },
      whole: { type: 'boolean' },
      reveal: { type: 'boolean' },
    }),
    dependencies: { reveal: ['whole'] },
  },
}

const idParams = { type: 'object', required: ['id'], properties: { id: letterId } } as const

export const letterSchema = {
  params: idParams,
  querystring: queryOf({ reveal: { type: 'boolean', default: false } }),
}

export const keysSchema = {
  querystring: queryOf({
    projection: text,
    version,
    tenant,
    fingerprint,
    errorClass: text,
    olderThanMs: { type: 'integer', minimum: 0, maximum: AGE_MAX_MS },
    limit,
    after: { type: 'string', pattern: KEY_PLACE_PATTERN, maxLength: KEY_PLACE_LENGTH_MAX },
  }),
}

export const causesSchema = {
  querystring: queryOf({ projection: text, version, tenant, limit }),
}

export const actionsSchema = {
  querystring: queryOf({ projection: text, version, key: text, limit, after: letterId }),
}

export const replaysSchema = {
  querystring: queryOf({ projection: text, version, limit, after: request }),
}

export const replayRequestSchema = { params: { type: 'object', properties: { request } } }

const actorProperties = { actor: filledText, reason: filledText } as const

const SELECTORS = ['id', 'key', 'tenant', 'fingerprint', 'errorClass', 'all'] as const

const orderBody = {
  type: 'object',
  required: ['projection', 'actor', 'reason'],
  additionalProperties: false,
  // One of them says which letters.
  oneOf: SELECTORS.map((name) => ({ required: [name] })),
  properties: {
    projection: text,
    version,
    id: letterId,
    key: text,
    tenant,
    fingerprint,
    errorClass: filledText,
    all: { const: true },
    ...actorProperties,
  },
}

export const replaySchema = {
  body: {
    ...orderBody,
    properties: {
      ...orderBody.properties,
      lettersPerSecond: { type: 'integer', minimum: 1, maximum: RATE_MAX },
    },
  },
}

export const discardSchema = { body: orderBody }

export const dryRunSchema = { body: { ...orderBody, required: ['projection'] } }

export const editSchema = {
  params: idParams,
  body: {
    type: 'object',
    required: ['value', 'actor', 'reason'],
    additionalProperties: false,
    properties: { value: { type: 'object' }, ...actorProperties },
  },
}

export const takeBackSchema = {
  params: idParams,
  body: {
    type: 'object',
    required: ['actor', 'reason'],
    additionalProperties: false,
    properties: actorProperties,
  },
}

function queryOf(properties: Readonly<Record<string, object>>) {
  return { type: 'object', additionalProperties: false, properties }
}
