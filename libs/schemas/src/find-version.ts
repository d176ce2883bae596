import type { RegistryParts } from './check-compatibility.ts'
import { hasConfluentVersion, isSameBut } from './confluent-version.ts'
import type { SchemaExtras } from './metadata.ts'
import type { SchemaVersion } from './records.ts'
import type { SchemaRequest } from './schema-request.ts'
import { type SchemaContent, contentKey } from './registry-image.ts'
import { documentText } from './schema-document.ts'
import type { Candidate } from './subject-view.ts'

/**
 * The newest version with the candidate's schema and the metadata and rules of the request; failing that, with
 * those that it would be stored with.
 */
export function findVersion(
  parts: RegistryParts,
  versions: readonly SchemaVersion[],
  candidate: Candidate,
): SchemaVersion | undefined {
  const newestFirst = versions.toReversed()
  const { given, merged } = candidate
  return (
    findWith(parts, newestFirst, { candidate, extras: given }) ??
    findWith(parts, newestFirst, { candidate, extras: merged })
  )
}

/**
 * Texts are the same, or differ only in what Confluent calls equivalent: order of properties and aliases,
 * referenced types written out.
 */
function findWith(
  { schemas }: RegistryParts,
  newestFirst: readonly SchemaVersion[],
  { candidate, extras }: { readonly candidate: Candidate; readonly extras: SchemaExtras },
): SchemaVersion | undefined {
  const { schemaType, schema, references, document } = candidate
  const key = contentKey({ schemaType, schema, references, ...extras })
  const same = newestFirst.find((version) => contentKey(version) === key)
  if (same !== undefined) return same

  const bare = bareKey(candidate)
  const sameBut = newestFirst.find(
    (version) =>
      (hasConfluentVersion(version) || hasConfluentVersion(extras)) &&
      isSameBut(extras, version) &&
      bareKey(version) === bare,
  )
  if (sameBut !== undefined || schemaType !== 'AVRO') return sameBut

  const text = documentText(document, 'equivalence')
  return newestFirst.find((version) => {
    if (version.schemaType !== schemaType || !isSameBut(extras, version)) return false
    if (!mayBeEquivalent(version.references, references)) return false
    const stored = schemas.parseStored(version)
    return stored.ok && documentText(stored.value, 'equivalence') === text
  })
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
