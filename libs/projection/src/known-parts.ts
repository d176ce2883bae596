/** What a definition may have. Types refuse the rest of a literal alone, not of a value that was named before. */
export const DEFINITION_PARTS = [
  'name',
  'version',
  'from',
  'into',
  'schema',
  'key',
  'order',
  'errors',
  'inbox',
  'tenants',
  'enrich',
  'enrichEach',
  'concurrency',
  'batch',
] as const

/** @throws {TypeError} for a part that nothing would heed. */
export function refuseUnknownParts(where: string, given: object, known: readonly string[]): void {
  const unknown = Object.keys(given).find((part) => !known.includes(part))
  if (unknown === undefined) return
  throw new TypeError(`${where} has no "${unknown}"; it may have ${known.join(', ')}`)
}
