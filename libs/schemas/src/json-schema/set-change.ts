/** How a set changed, in the words that Confluent's names end with; undefined when it did not. */
export function setChange(
  old: ReadonlySet<string>,
  next: ReadonlySet<string>,
): 'EXTENDED' | 'NARROWED' | 'CHANGED' | undefined {
  const isExtended = [...old].every((item) => next.has(item))
  const isNarrowed = [...next].every((item) => old.has(item))
  if (isExtended && isNarrowed) return undefined
  if (isExtended) return 'EXTENDED'
  return isNarrowed ? 'NARROWED' : 'CHANGED'
}
