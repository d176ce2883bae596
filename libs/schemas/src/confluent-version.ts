import { type JsonObject, type JsonString, compareText } from '@fairlead/avro'
import { type SchemaExtras, extrasKey, metadataProperty } from './metadata.ts'

/**
 * Confluent's mark of a version that was registered under a number: a property of its metadata that holds the
 * number. Schemas that differ in nothing else are one to who asks without it.
 */
const CONFLUENT_VERSION = 'confluent:version'

export function hasConfluentVersion(extras: SchemaExtras): boolean {
  return metadataProperty(extras, CONFLUENT_VERSION) !== undefined
}

export function withConfluentVersion(extras: SchemaExtras, version: number): SchemaExtras {
  const value: JsonString = { kind: 'string', value: String(version), position: 0 }
  const properties = new Map([...propertiesOf(extras), [CONFLUENT_VERSION, value] as const])
  return { ...extras, metadata: metadataWith(extras.metadata, properties) }
}

function withoutConfluentVersion(extras: SchemaExtras): SchemaExtras {
  const properties = new Map(propertiesOf(extras))
  properties.delete(CONFLUENT_VERSION)
  return { ...extras, metadata: metadataWith(extras.metadata, properties) }
}

/** Whether metadata and rules that a request has mean those of a stored version. */
export function isSameBut(
  asked: SchemaExtras,
  stored: SchemaExtras & { version: number },
): boolean {
  const [wanted, had] = [asked, stored].map((each) => metadataProperty(each, CONFLUENT_VERSION))
  if (wanted === undefined && had !== undefined) {
    return filledKey(asked) === filledKey(withoutConfluentVersion(stored))
  }
  if (wanted !== undefined && had === undefined) {
    if (wanted !== String(stored.version)) return false
    return filledKey(withoutConfluentVersion(asked)) === filledKey(stored)
  }
  return extrasKey(asked) === extrasKey(stored)
}

/** Metadata without anything in it are as good as none. */
function filledKey({ metadata, ruleSet }: SchemaExtras): string {
  const members = [...(metadata?.members ?? [])].filter(
    ([, value]) => value.kind !== 'object' || value.members.size > 0,
  )
  return extrasKey({
    metadata: { kind: 'object', members: new Map(members), position: 0 },
    ...(ruleSet === undefined ? {} : { ruleSet }),
  })
}

function propertiesOf({ metadata }: SchemaExtras): JsonObject['members'] {
  const properties = metadata?.members.get('properties')
  return properties?.kind === 'object' ? properties.members : new Map()
}

function metadataWith(
  metadata: JsonObject | undefined,
  properties: JsonObject['members'],
): JsonObject {
  const sorted = [...properties].sort(([left], [right]) => compareText(left, right))
  const members = new Map(metadata?.members)
  members.set('properties', { kind: 'object', members: new Map(sorted), position: 0 })
  return { kind: 'object', members, position: 0 }
}
