import type { RegistryParts } from './check-compatibility.ts'
import { type Outcome, success } from './failure.ts'
import type { SchemaRequest } from './schema-request.ts'
import { documentReasons } from './schema-document.ts'

/**
 * Why one who reads with `reader` could not read what `next` would write; empty when it could. Unlike
 * a check against versions, this asks no level: a schema that is in use reads, or does not.
 */
export function readerMessages(
  { view, schemas }: RegistryParts,
  {
    subject,
    next,
    reader,
  }: {
    readonly subject: string
    readonly next: SchemaRequest
    readonly reader: SchemaRequest
  },
): Outcome<readonly string[]> {
  const written = view.candidate(schemas, subject, next)
  if (!written.ok) return written
  const read = view.candidate(schemas, subject, reader)
  if (!read.ok) return read
  if (written.value.schemaType !== read.value.schemaType) {
    const message = `the reader's schema is ${read.value.schemaType}, the new one ${written.value.schemaType}`
    return success([message])
  }
  const isLenient = view.settingText(subject, 'compatibilityPolicy') === 'LENIENT'
  const reasons = documentReasons(read.value.document, written.value.document, {
    readerIs: 'old',
    isLenient,
  })
  return success(reasons.map(({ sentence }) => sentence))
}
