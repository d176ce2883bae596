import { type JsonValue, readJson, writeJson } from '@fairlead/avro'
import { invariant } from '@fairlead/base'
import {
  type CompatibilityVerdict,
  type FailingVersion,
  type RegistryParts,
  checkCompatibility,
} from '../check-compatibility.ts'
import { compatibilityReasons } from '../compatibility.ts'
import { type Outcome, success } from '../failure.ts'
import type { SchemaVersion } from '../records.ts'
import type { SchemaRequest } from '../schema-request.ts'
import type { CompatibilityReason, SchemaDocument } from '../schema-document.ts'
import type { CompatibilityLevel, VersionNumber } from '../settings.ts'
import { type SchemaChange, avroChanges } from './avro-changes.ts'
import { type PatchOperation, patched } from './json-patch.ts'
import { sampleDatum } from './sample-datum.ts'
import { suggestPatch } from './suggest-patch.ts'

/** Why a schema is incompatible, and how to mend it. */
export type CompatibilityDetail = {
  /** Confluent's error type. */
  readonly rule: string
  readonly level: CompatibilityLevel
  /** The version that it does not fit. */
  readonly version: number
  /** `new` where the new schema cannot read old data, `old` where old readers cannot read new data. */
  readonly reader: 'new' | 'old'
  /** JSON pointers into the two texts. */
  readonly newPointer: string
  readonly oldPointer: string
  readonly message: string
  /** JSON Patch (RFC 6902) for the new schema that removes this reason; it was tried. */
  readonly patch?: readonly PatchOperation[]
  /** A datum, in Avro's JSON encoding, that one side writes and the other cannot read. */
  readonly sample?: JsonValue
}

export type Explanation = {
  readonly verdict: CompatibilityVerdict
  readonly details: readonly CompatibilityDetail[]
  /** Of all details together; undefined when no patch makes the schema compatible. */
  readonly patch: readonly PatchOperation[] | undefined
  /** Changes that are compatible by the rules, and dangerous all the same. */
  readonly warnings: readonly SchemaChange[]
}

const DETAILS_MAX = 100

/** As `checkCompatibility`, with reasons, patches and samples. */
export function explainCompatibility(
  parts: RegistryParts,
  question: Question,
): Outcome<Explanation> {
  return explained(parts, question, 1)
}

type Question = {
  readonly subject: string
  readonly version: VersionNumber | undefined
  readonly request: SchemaRequest
}

type Mending = {
  readonly next: SchemaDocument
  readonly failing: FailingVersion
  readonly round: number
}

function explained(parts: RegistryParts, question: Question, round: number): Outcome<Explanation> {
  const verdict = checkCompatibility(parts, question)
  if (!verdict.ok) return verdict
  const { subject, request } = question
  const candidate = parts.view.candidate(parts.schemas, subject, request)
  if (!candidate.ok) return candidate

  const { failing } = verdict.value
  const plain = { verdict: verdict.value, details: [], patch: undefined, warnings: [] }
  const next = candidate.value.document
  if (failing === undefined) {
    const latest = parts.view.version(subject, question.version ?? 'latest', {})
    return success({ ...plain, warnings: latest.ok ? warningsOf(parts, latest.value, next) : [] })
  }
  return success({ ...plain, ...mended(parts, question, { next, failing, round }) })
}

/** Versions that may fail one after the other, once the one before is mended. */
const ROUNDS_MAX = 10

/** Details of the first version that fails, and a patch after which no version does. */
function mended(
  parts: RegistryParts,
  question: Question,
  { next, failing, round }: Mending,
): Pick<Explanation, 'details' | 'patch'> {
  const { view, schemas } = parts
  const { subject, request } = question
  const { old, level, isLenient, document: oldDocument } = failing
  const reasons = failing.reasons.slice(0, DETAILS_MAX)
  const texts = { next: request.schema, old: old.schema }
  const suggestion = suggestPatch(texts, next, reasons, (schema) => {
    const changed = view.candidate(schemas, subject, { ...request, schema })
    if (!changed.ok) return undefined
    return compatibilityReasons({ level, isLenient }, changed.value.document, oldDocument)
  })
  const details = reasons.map((reason, index) =>
    detailOf(reason, {
      level,
      old,
      patch: suggestion.ofReason[index],
      writer: reason.readerIs === 'new' ? oldDocument : next,
    }),
  )
  return { details, patch: wholePatch(parts, question, { operations: suggestion.whole, round }) }
}

/** The patch with what older versions demand beyond it; undefined when they cannot be satisfied. */
function wholePatch(
  parts: RegistryParts,
  question: Question,
  {
    operations,
    round,
  }: { readonly operations: readonly PatchOperation[] | undefined; readonly round: number },
): readonly PatchOperation[] | undefined {
  if (operations === undefined || round >= ROUNDS_MAX) return undefined
  const json = patched(readJson(question.request.schema), operations)
  invariant(json !== undefined, 'a patch that was tried applies')
  const request = { ...question.request, schema: writeJson(json) }
  const again = explained(parts, { ...question, request }, round + 1)
  if (!again.ok) return undefined
  if (again.value.verdict.isCompatible) return operations
  return again.value.patch && [...operations, ...again.value.patch]
}

function detailOf(
  reason: CompatibilityReason,
  {
    level,
    old,
    patch,
    writer,
  }: {
    readonly level: CompatibilityLevel
    readonly old: SchemaVersion
    readonly patch: readonly PatchOperation[] | undefined
    readonly writer: SchemaDocument
  },
): CompatibilityDetail {
  const { readerIs, type, path, sentence, incompatibility } = reason
  const pointer = path.replace(/^#/, '')
  const [readerPointer, writerPointer] =
    incompatibility === undefined
      ? [pointer, pointer]
      : [incompatibility.readerPointer, incompatibility.writerPointer]
  const sample = sampleOf(reason, writer)
  return {
    rule: type,
    level,
    version: old.version,
    reader: readerIs,
    newPointer: readerIs === 'new' ? readerPointer : writerPointer,
    oldPointer: readerIs === 'new' ? writerPointer : readerPointer,
    message: sentence,
    ...(patch === undefined ? {} : { patch }),
    ...(sample === undefined ? {} : { sample }),
  }
}

function sampleOf(
  { incompatibility }: CompatibilityReason,
  writer: SchemaDocument,
): JsonValue | undefined {
  if (incompatibility === undefined || writer.schemaType !== 'AVRO') return undefined
  const { type, writer: schema, reader } = incompatibility
  const isOfSymbols = type === 'MISSING_ENUM_SYMBOLS' && schema.kind === 'enum'
  const readable = new Set(reader.kind === 'enum' ? reader.symbols : [])
  const symbol = isOfSymbols ? schema.symbols.find((one) => !readable.has(one)) : undefined
  return sampleDatum(writer.avro.root, { schema, ...(symbol === undefined ? {} : { symbol }) })
}

function warningsOf(
  { schemas }: RegistryParts,
  old: SchemaVersion,
  next: SchemaDocument,
): SchemaChange[] {
  const parsed = schemas.parseStored(old)
  if (!parsed.ok) return []
  return documentChanges(parsed.value, next).filter(({ danger }) => danger !== undefined)
}

/** What changed in meaning between two schemas of one type; nothing is known of two types. */
export function documentChanges(old: SchemaDocument, next: SchemaDocument): SchemaChange[] {
  if (old.schemaType === 'AVRO' && next.schemaType === 'AVRO') {
    return avroChanges(old.avro.root, next.avro.root)
  }
  return compatibilityReasons({ level: 'BACKWARD', isLenient: false }, next, old).map(
    ({ type, path, sentence }) => {
      const pointer = path.replace(/^#/, '')
      return { change: type, oldPointer: pointer, newPointer: pointer, sentence }
    },
  )
}

/** A patch as it goes over the wire. */
export function patchText(operations: readonly PatchOperation[]): string {
  const texts = operations.map((operation) => {
    const head = `{"op":"${operation.op}","path":${JSON.stringify(operation.path)}`
    return operation.op === 'remove' ? `${head}}` : `${head},"value":${writeJson(operation.value)}}`
  })
  return `[${texts.join(',')}]`
}
