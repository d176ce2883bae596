import type { RegistryParts } from './check-compatibility.ts'
import { isSameBut } from './confluent-version.ts'
import type { SchemaExtras } from './metadata.ts'
import type { SchemaVersion } from './records.ts'
import type { SchemaRequest } from './schema-request.ts'
import { type SchemaContent, contentKey } from './registry-image.ts'
import { documentText } from './schema-document.ts'
import type { Candidate } from './subject-view.ts'

/**
 * The newest version with the candidate's schema and the metadata and rules of the request; failing that, with
 * those that it would be stored with. Texts are the same, or differ only in what Confluent calls equivalent: order
 * of properties and aliases, referenced types written out.
 */
export function findVersion(
  { schemas }: RegistryParts,
  versions: readonly SchemaVersion[],
  candidate: Candidate,
): SchemaVersion | undefined {
  const { given, merged, schemaType, schema, references, document } = candidate
  const sameText = versions.filter((version) => version.schema === schema).toReversed()
  const same = findSame(sameText, candidate, given) ?? findSame(sameText, candidate, merged)
  if (same !== undefined || schemaType !== 'AVRO') return same

  const text = documentText(document, 'equivalence')
  return versions.toReversed().find((version) => {
    if (version.schemaType !== schemaType) return false
    if (!isSameBut(given, version) && !isSameBut(merged, version)) return false
    if (!mayBeEquivalent(version.references, references)) return false
    const stored = schemas.parseStored(version)
    return stored.ok && documentText(stored.value, 'equivalence') === text
  })
}

/** What is equal in all comes before what differs in its number. */
function findSame(
  newestFirst: readonly SchemaVersion[],
  { schemaType, schema, references }: Candidate,
  extras: SchemaExtras,
): SchemaVersion | undefined {
  const key = contentKey({ schemaType, schema, references, ...extras })
  const bare = bareKey({ schemaType, schema, references })
  return (
    newestFirst.find((version) => contentKey(version) === key) ??
    newestFirst.find((version) => isSameBut(extras, version) && bareKey(version) === bare)
  )
}

/** Who asks without metadata and rules means the schema, whatever it carries. */
export function findWithoutExtras(
  versions: readonly SchemaVersion[],
  request: SchemaRequest,
  candidate: Candidate,
): SchemaVersion | undefined {
  if (request.metadata !== undefined || request.ruleSet !== undefined) return undefined
  const key = bareKey(candidate)
  return versions.toReversed().find((version) => bareKey(version) === key)
}

function bareKey({ schemaType, schema, references }: SchemaContent): string {
  return contentKey({ schemaType, schema, references })
}

function mayBeEquivalent(
  left: SchemaContent['references'],
  right: SchemaContent['references'],
): boolean {
  return left.length === 0 || right.length === 0 || JSON.stringify(left) === JSON.stringify(right)
}
