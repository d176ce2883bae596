/**
 * Those of a benchmark's sections that `only` asks for, all when it names none.
 * Throws where it names one that there is not.
 */
export function sectionsOf<Section>(
  sections: Readonly<Record<string, Section>>,
  only: readonly string[],
): readonly Section[] {
  const unknown = only.filter((name) => !Object.hasOwn(sections, name))
  if (unknown.length > 0) {
    throw new Error(`no section "${unknown.join(', ')}": ${Object.keys(sections).join(', ')}`)
  }
  return Object.entries(sections)
    .filter(([name]) => only.length === 0 || only.includes(name))
    .map(([, section]) => section)
}
