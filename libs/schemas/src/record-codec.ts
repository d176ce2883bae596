import { DecodeError, assertNever } from '@fairlead/base'
import {
  type JsonObject,
  type JsonValue,
  readJson,
  writeJson,
  writeJsonString,
} from '@fairlead/avro'
import { type Association, type AssociationKey, LIFECYCLES } from './associations/association.ts'
import { DEFAULT_CONTEXT } from './context.ts'
import { SCHEMA_TYPES } from './records.ts'
import type {
  RegistryRecord,
  SchemaReference,
  SchemaType,
  SchemaVersion,
  Settings,
} from './records.ts'
import { parseCompatibilityLevel, parseMode } from './settings.ts'

/**
 * The records of `_schemas` as Confluent writes them. Keys must be equal to the byte, since
 * compaction compares them: member order and spelling are part of the format.
 */
export type EncodedRecord = { readonly key: Uint8Array; readonly value: Uint8Array | null }

const utf8 = new TextEncoder()

export function encodeRecord(record: RegistryRecord): EncodedRecord {
  const value = valueText(record)
  return { key: utf8.encode(keyText(record)), value: value === null ? null : utf8.encode(value) }
}

/** The record's key, which names what the record stands for. */
export function keyText(record: RegistryRecord): string {
  switch (record.kind) {
    case 'schema':
      return `{"keytype":"SCHEMA","subject":${writeJsonString(record.subject)},"version":${record.version},"magic":1}`
    case 'config':
      return `{"keytype":"CONFIG"${subjectMember(record.subject)},"magic":0}`
    case 'mode':
      return `{"keytype":"MODE"${subjectMember(record.subject)},"magic":0}`
    case 'deleteSubject':
      return `{"keytype":"DELETE_SUBJECT","subject":${writeJsonString(record.subject)},"magic":0}`
    case 'clearSubject':
      return `{"keytype":"CLEAR_SUBJECT","subject":${writeJsonString(record.subject)},"magic":0}`
    case 'association':
      return object([
        ['keytype', '"ASSOC"'],
        ['tenant', TENANT],
        ...ASSOCIATION_KEY_MEMBERS.map(
          (name) => [name, writeJsonString(record.key[name])] as const,
        ),
        ['magic', '0'],
      ])
    case 'noop':
      return '{"keytype":"NOOP","magic":0}'
    default:
      return assertNever(record)
  }
}

/**
 * Reads a record; undefined for a key type that this registry does not know (CONTEXT, and what newer
 * versions add), which a reader passes over. An empty value is as good as none: Karapace removes with it.
 *
 * @throws {DecodeError} when key or value do not have the form of their type.
 */
export function decodeRecord(
  keyBytes: Uint8Array | null,
  valueBytes: Uint8Array | null,
): RegistryRecord | undefined {
  if (keyBytes === null) throw new DecodeError('a record of the registry has a key', 0)
  const key = objectOf(keyBytes, 'key')
  const value = valueBytes?.length === 0 ? null : valueBytes
  const subject = optionalText(key, 'subject')
  switch (optionalText(key, 'keytype') ?? '') {
    case 'SCHEMA':
      return decodeSchema(required(subject, 'subject'), integer(key, 'version'), value)
    case 'CONFIG':
      return { kind: 'config', subject, value: value && decodeSettings(objectOf(value, 'value')) }
    case 'MODE':
      return { kind: 'mode', subject, value: value && decodeMode(objectOf(value, 'value')) }
    case 'DELETE_SUBJECT':
      return {
        kind: 'deleteSubject',
        subject: required(subject, 'subject'),
        version: value && integer(objectOf(value, 'value'), 'version'),
      }
    case 'CLEAR_SUBJECT':
      return { kind: 'clearSubject', subject: required(subject, 'subject') }
    case 'ASSOC':
      return decodeAssociation(key, value)
    case 'NOOP':
      return { kind: 'noop', highestIds: value === null ? new Map() : highestIdsOf(value) }
    default:
      return undefined
  }
}

const SCHEMA_MEMBERS = [
  'subject',
  'version',
  'id',
  'schemaType',
  'references',
  'metadata',
  'ruleSet',
  'schema',
  'deleted',
] as const
const SETTINGS_MEMBERS = ['subject', 'compatibilityLevel', 'normalize'] as const

function valueText(record: RegistryRecord): string | null {
  switch (record.kind) {
    case 'schema':
      return record.value && schemaText(record.value)
    case 'config':
      return record.value && settingsText(record.subject, record.value)
    case 'mode':
      if (record.value === null) return null
      return object([
        ['subject', optionalString(record.subject)],
        ['mode', writeJsonString(record.value)],
      ])
    case 'deleteSubject':
      if (record.version === null) return null
      return object([
        ['subject', writeJsonString(record.subject)],
        ['version', String(record.version)],
      ])
    case 'clearSubject':
      return object([['subject', writeJsonString(record.subject)]])
    case 'association':
      return record.value && associationText(record.value)
    case 'noop':
      return record.highestIds.size === 0 ? null : highestIdsText(record.highestIds)
    default:
      return assertNever(record)
  }
}

function schemaText(value: SchemaVersion): string {
  const references = value.references.map((reference) =>
    object([
      ['name', writeJsonString(reference.name)],
      ['subject', writeJsonString(reference.subject)],
      ['version', String(reference.version)],
    ]),
  )
  const other = [...value.otherMembers].map(([name, member]) => [name, writeJson(member)] as const)
  return object([
    ['subject', writeJsonString(value.subject)],
    ['version', String(value.version)],
    ['id', String(value.schemaId)],
    ['schemaType', writeJsonString(value.schemaType)],
    ['references', references.length === 0 ? undefined : `[${references.join(',')}]`],
    ['metadata', optionalJson(value.metadata)],
    ['ruleSet', optionalJson(value.ruleSet)],
    ...other,
    ['schema', writeJsonString(value.schema)],
    ['deleted', String(value.isDeleted)],
  ])
}

/** Of keys: whom an association is for, in Confluent's cloud; its own registry knows this one alone. */
const TENANT_NAME = 'default'
const TENANT = writeJsonString(TENANT_NAME)

const ASSOCIATION_KEY_MEMBERS = [
  'resourceName',
  'resourceNamespace',
  'resourceType',
  'associationType',
  'subject',
] as const

function associationText(association: Association): string {
  const { guid, resourceId, lifecycle, isFrozen, createTimestampMs } = association
  return object([
    ['guid', writeJsonString(guid)],
    ['tenant', TENANT],
    ['resourceName', writeJsonString(association.resourceName)],
    ['resourceNamespace', writeJsonString(association.resourceNamespace)],
    ['resourceId', writeJsonString(resourceId)],
    ['resourceType', writeJsonString(association.resourceType)],
    ['associationType', writeJsonString(association.associationType)],
    ['subject', writeJsonString(association.subject)],
    ['lifecycle', writeJsonString(lifecycle)],
    ['frozen', String(isFrozen)],
    ['createTs', createTimestampMs === undefined ? undefined : String(createTimestampMs)],
  ])
}

function decodeAssociation(
  keyJson: JsonObject,
  bytes: Uint8Array | null,
): RegistryRecord | undefined {
  if (optionalText(keyJson, 'tenant') !== TENANT_NAME) return undefined
  const key = associationKey(keyJson)
  if (bytes === null) return { kind: 'association', key, value: null }
  const json = objectOf(bytes, 'value')
  const lifecycle = LIFECYCLES.find((each) => each === optionalText(json, 'lifecycle'))
  if (lifecycle === undefined) throw new DecodeError('unknown lifecycle', json.position)
  const createTs = json.members.get('createTs')
  const value = {
    ...associationKey(json),
    guid: required(optionalText(json, 'guid'), 'guid'),
    resourceId: required(optionalText(json, 'resourceId'), 'resourceId'),
    lifecycle,
    isFrozen: booleanOf(json, 'frozen') ?? false,
    createTimestampMs: createTs?.kind === 'integer' ? Number(createTs.value) : undefined,
    updateTimestampMs: undefined,
  }
  return { kind: 'association', key, value }
}

function associationKey(json: JsonObject): AssociationKey {
  const text = (name: string): string => required(optionalText(json, name), name)
  return {
    resourceName: text('resourceName'),
    resourceNamespace: text('resourceNamespace'),
    resourceType: text('resourceType'),
    associationType: text('associationType'),
    subject: text('subject'),
  }
}

function settingsText(subject: string | undefined, settings: Settings): string {
  const { compatibilityLevel, normalize, otherMembers } = settings
  return object([
    ['subject', optionalString(subject)],
    ['normalize', normalize === undefined ? undefined : String(normalize)],
    ['compatibilityLevel', optionalString(compatibilityLevel)],
    ...[...otherMembers].map(([name, member]) => [name, writeJson(member)] as const),
  ])
}

function decodeSchema(subject: string, version: number, bytes: Uint8Array | null): RegistryRecord {
  if (bytes === null) return { kind: 'schema', subject, version, value: null }
  const plain = plainVersion(subject, version, bytes)
  if (plain !== undefined) return { kind: 'schema', subject, version, value: plain }
  const json = objectOf(bytes, 'value')
  const [metadata, ruleSet] = ['metadata', 'ruleSet'].map((name) => json.members.get(name))
  const value: SchemaVersion = {
    subject,
    version,
    schemaId: integer(json, 'id'),
    schemaType: schemaTypeOf(optionalText(json, 'schemaType')),
    references: referencesOf(json.members.get('references')),
    schema: required(optionalText(json, 'schema'), 'schema'),
    isDeleted: booleanOf(json, 'deleted') ?? false,
    ...(metadata?.kind === 'object' ? { metadata } : {}),
    ...(ruleSet?.kind === 'object' ? { ruleSet } : {}),
    otherMembers: membersBeyond(json, SCHEMA_MEMBERS),
  }
  return { kind: 'schema', subject, version, value }
}

const NO_MEMBERS: ReadonlyMap<string, JsonValue> = new Map()
const NO_REFERENCES: readonly SchemaReference[] = []
const PLAIN_MEMBERS: readonly string[] = [
  'subject',
  'version',
  'id',
  'schemaType',
  'schema',
  'deleted',
]

/**
 * Most values have no members but these, and then the platform's own reader loses nothing: it is what
 * makes a start with many schemas quick. Undefined when a value needs the lossless one.
 */
function plainVersion(
  subject: string,
  version: number,
  bytes: Uint8Array,
): SchemaVersion | undefined {
  let json: unknown
  try {
    json = JSON.parse(textOf(bytes, 'value'))
  } catch {
    return undefined
  }
  if (typeof json !== 'object' || json === null || Array.isArray(json)) return undefined
  const members = json as Readonly<Record<string, unknown>>
  if (!Object.keys(members).every((name) => PLAIN_MEMBERS.includes(name))) return undefined
  const { id, schema, deleted = false } = members
  const schemaType = SCHEMA_TYPES.find((type) => type === (members['schemaType'] ?? 'AVRO'))
  const isId = typeof id === 'number' && (id | 0) === id
  const isPlain = isId && typeof schema === 'string' && typeof deleted === 'boolean'
  if (!isPlain || schemaType === undefined) return undefined
  return {
    subject,
    version,
    schemaId: id,
    schemaType,
    references: NO_REFERENCES,
    schema,
    isDeleted: deleted,
    otherMembers: NO_MEMBERS,
  }
}

function decodeSettings(json: JsonObject): Settings {
  const level = optionalText(json, 'compatibilityLevel')
  return {
    compatibilityLevel: level === undefined ? undefined : parseCompatibilityLevel(level),
    normalize: booleanOf(json, 'normalize'),
    otherMembers: membersBeyond(json, SETTINGS_MEMBERS),
  }
}

function decodeMode(json: JsonObject): ReturnType<typeof parseMode> & string {
  const mode = parseMode(optionalText(json, 'mode') ?? '')
  if (mode === undefined) throw new DecodeError('unknown mode', json.position)
  return mode
}

function highestIdsText(highestIds: ReadonlyMap<string, number>): string {
  const inContexts = [...highestIds].filter(([context]) => context !== DEFAULT_CONTEXT)
  const highest = highestIds.get(DEFAULT_CONTEXT)
  return object([
    ['highestId', highest === undefined ? undefined : String(highest)],
    [
      'contexts',
      inContexts.length === 0
        ? undefined
        : object(inContexts.map(([context, id]) => [context, String(id)])),
    ],
  ])
}

/** Without a value that we wrote: Confluent's own NOOP has none, and others may say anything. */
function highestIdsOf(bytes: Uint8Array): ReadonlyMap<string, number> {
  const { members } = objectOf(bytes, 'value')
  const contexts = members.get('contexts')
  const entries = [
    [DEFAULT_CONTEXT, members.get('highestId')] as const,
    ...(contexts?.kind === 'object' ? contexts.members : []),
  ]
  return new Map(
    entries.flatMap(([context, id]) =>
      id?.kind === 'integer' ? [[context, Number(id.value)] as const] : [],
    ),
  )
}

function referencesOf(json: JsonValue | undefined): SchemaReference[] {
  if (json === undefined || json.kind === 'null') return []
  if (json.kind !== 'array') throw new DecodeError('references is not an array', json.position)
  return json.items.map((item) => {
    if (item.kind !== 'object') throw new DecodeError('a reference is not an object', item.position)
    return {
      name: required(optionalText(item, 'name'), 'name'),
      subject: required(optionalText(item, 'subject'), 'subject'),
      version: integer(item, 'version'),
    }
  })
}

function schemaTypeOf(text: string | undefined): SchemaType {
  // Confluent 7 leaves it out for Avro.
  if (text === undefined) return 'AVRO'
  const schemaType = SCHEMA_TYPES.find((type) => type === text)
  if (schemaType !== undefined) return schemaType
  throw new DecodeError(`unknown schema type ${text}`, 0)
}

const decoder = new TextDecoder('utf-8', { fatal: true })

function textOf(bytes: Uint8Array, what: string): string {
  try {
    return decoder.decode(bytes)
  } catch {
    throw new DecodeError(`the ${what} is not UTF-8`, 0)
  }
}

function objectOf(bytes: Uint8Array, what: string): JsonObject {
  const json = readJson(textOf(bytes, what))
  if (json.kind !== 'object') throw new DecodeError(`the ${what} is not an object`, 0)
  return json
}

function optionalText(json: JsonObject, name: string): string | undefined {
  const member = json.members.get(name)
  return member?.kind === 'string' ? member.value : undefined
}

function booleanOf(json: JsonObject, name: string): boolean | undefined {
  const member = json.members.get(name)
  return member?.kind === 'boolean' ? member.value : undefined
}

function integer(json: JsonObject, name: string): number {
  const member = json.members.get(name)
  if (member?.kind !== 'integer' || BigInt.asIntN(32, member.value) !== member.value) {
    throw new DecodeError(`${name} is not an int32`, json.position)
  }
  return Number(member.value)
}

function required(text: string | undefined, name: string): string {
  if (text === undefined) throw new DecodeError(`${name} is missing`, 0)
  return text
}

function membersBeyond(json: JsonObject, known: readonly string[]): ReadonlyMap<string, JsonValue> {
  return new Map([...json.members].filter(([name]) => !known.includes(name)))
}

function subjectMember(subject: string | undefined): string {
  return subject === undefined ? '' : `,"subject":${writeJsonString(subject)}`
}

function optionalJson(json: JsonObject | undefined): string | undefined {
  return json === undefined ? undefined : writeJson(json)
}

function optionalString(text: string | undefined): string | undefined {
  return text === undefined ? undefined : writeJsonString(text)
}

function object(members: readonly (readonly [name: string, text: string | undefined])[]): string {
  const texts = members.flatMap(([name, text]) =>
    text === undefined ? [] : [`${writeJsonString(name)}:${text}`],
  )
  return `{${texts.join(',')}}`
}
