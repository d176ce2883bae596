/** A field that the two brokers answered differently, by its path without indexes. */
export type Difference = { readonly path: string; readonly kafka: unknown; readonly ours: unknown }

/** Ids, times and words that are a broker's own. Whether they are there at all is compared. */
const OWN_VALUES: readonly RegExp[] = [
  /(^|\.)(topicId|clusterId|memberId|leader|logDir)$/i,
  /(^|\.)(host|port|producerId|finalizedFeaturesEpoch|usableBytes|totalBytes)$/,
  /(^|\.)(errorMessage|batchIndexErrorMessage|documentation)$/,
]
const ZERO_UUID = 'AAAAAAAAAAAAAAAAAAAAAA'

/** Every field in which two answers differ; an answer that never came is `undefined`. */
export function differencesBetween(kafka: unknown, ours: unknown, path = ''): Difference[] {
  if (Array.isArray(kafka) && Array.isArray(ours)) return ofArrays(kafka, ours, path)
  if (kafka instanceof Uint8Array && ours instanceof Uint8Array) {
    return differencesBetween(hexadecimal(kafka), hexadecimal(ours), path)
  }
  if (isObject(kafka) && isObject(ours)) {
    const names = new Set([...Object.keys(kafka), ...Object.keys(ours)])
    return [...names].flatMap((name) =>
      differencesBetween(kafka[name], ours[name], path === '' ? name : `${path}.${name}`),
    )
  }
  const isOwn = OWN_VALUES.some((pattern) => pattern.test(path))
  const isSame = isOwn ? isPresent(kafka) === isPresent(ours) : Object.is(kafka, ours)
  return isSame ? [] : [{ path, kafka, ours }]
}

function ofArrays(kafka: readonly unknown[], ours: readonly unknown[], path: string): Difference[] {
  const [first, second] = [sorted(kafka), sorted(ours)]
  if (first.length !== second.length) {
    return [{ path: `${path}.length`, kafka: first.map(nameOf), ours: second.map(nameOf) }]
  }
  return first.flatMap((each, index) => differencesBetween(each, second[index], path))
}

/** Brokers list what has a name in any order. */
function sorted(items: readonly unknown[]): unknown[] {
  return items.every((item) => nameOf(item) !== item)
    ? [...items].sort((a, b) => String(nameOf(a)).localeCompare(String(nameOf(b))))
    : [...items]
}

function nameOf(item: unknown): unknown {
  if (!isObject(item)) return item
  const { entityType, key } = item as { entityType?: unknown; key?: unknown }
  return (
    entityType ??
    key ??
    item['name'] ??
    item['partitionIndex'] ??
    item['groupId'] ??
    item['apiKey'] ??
    item
  )
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !(value instanceof Uint8Array)
}

function hexadecimal(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}

function isPresent(value: unknown): boolean {
  return (
    value !== null && value !== undefined && value !== '' && value !== ZERO_UUID && value !== -1
  )
}
