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
  { view, schemas }: RegistryParts,
  subject: string,
  request: SchemaRequest,
): Outcome<Judgement> {
  const candidate = view.candidate(schemas, subject, request)
  if (!candidate.ok) return candidate
  return success({
    content: candidate.value,
    found: () => {
      const versions = view.versions(subject, {})
      const asked = askedVersion(request)
      if (typeof asked === 'number') return undefined
      const latest = asked === 'next' ? versions.slice(-1) : versions
      return findVersion({ view, schemas }, latest, candidate.value)
    },
    verdict: () => {
      const level = view.effectiveSettings(subject).compatibilityLevel
      const versions = comparedVersions(level, comparableVersions(view, subject, candidate.value))
      return verdictAgainst({ view, schemas }, { subject, versions, candidate: candidate.value })
    },
  })
}
