import {
  type CompatibilityVerdict,
  type RegistryParts,
  verdictAgainst,
} from './check-compatibility.ts'
import { comparableVersions } from './comparable-versions.ts'
import { comparedVersions } from './compatibility.ts'
import { type Outcome, success } from './failure.ts'
import { findVersion } from './find-version.ts'
import type { SchemaVersion } from './records.ts'
import type { SchemaContent } from './registry-image.ts'
import { type SchemaRequest, askedVersion } from './schema-request.ts'
import type { Candidate } from './subject-view.ts'

/** What takes time in a registration: everything that reads schemas, and nothing that writes. */
export type Judgement = {
  /** As it would be stored. */
  readonly content: SchemaContent
  /** The live version of the subject that has this schema. */
  readonly found: () => SchemaVersion | undefined
  /** Against the versions that the subject's level names. */
  readonly verdict: () => CompatibilityVerdict
}

/** A judgement that can be copied: the version by its number, and no verdict where it has no use. */
export type JudgedSchema = {
  readonly content: SchemaContent
  readonly foundVersion: number | undefined
  readonly verdict: CompatibilityVerdict | undefined
}

/** Parses at once; looks and compares when it is asked to. */
export function judge(
  parts: RegistryParts,
  subject: string,
  request: SchemaRequest,
): Outcome<Judgement> {
  const { view } = parts
  const candidate = candidateOf(parts, subject, request)
  if (!candidate.ok) return candidate
  return success({
    content: candidate.value,
    found: () => foundVersion(parts, subject, { request, candidate: candidate.value }),
    verdict: () => {
      const level = view.effectiveSettings(subject).compatibilityLevel
      const versions = comparedVersions(level, comparableVersions(view, subject, candidate.value))
      return verdictAgainst(parts, { subject, versions, candidate: candidate.value })
    },
  })
}

/** What the subject has already need not satisfy what holds for new schemas today. */
function candidateOf(
  parts: RegistryParts,
  subject: string,
  request: SchemaRequest,
): Outcome<Candidate> {
  const { view, schemas } = parts
  const asNew = view.candidate(schemas, subject, request)
  if (asNew.ok) return asNew
  const asKnown = view.candidate(schemas, subject, request, { isKnown: true })
  if (!asKnown.ok) return asNew
  const found = foundVersion(parts, subject, { request, candidate: asKnown.value })
  return found === undefined ? asNew : asKnown
}

function foundVersion(
  parts: RegistryParts,
  subject: string,
  { request, candidate }: { readonly request: SchemaRequest; readonly candidate: Candidate },
): SchemaVersion | undefined {
  const versions = parts.view.versions(subject, {})
  const asked = askedVersion(request)
  if (typeof asked === 'number') return undefined
  const latest = asked === 'next' ? versions.slice(-1) : versions
  return findVersion(parts, latest, candidate)
}
