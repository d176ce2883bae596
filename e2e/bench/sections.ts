/**
 * Those of a benchmark's sections that `only` asks for, all when it names none; names that it
 * does not have are refused before (`parseBenchOptions`).
 */
export function sectionsOf<Section>(
  sections: Readonly<Record<string, Section>>,
  only: readonly string[],
): readonly Section[] {
  return Object.entries(sections)
    .filter(([name]) => only.length === 0 || only.includes(name))
    .map(([, section]) => section)
}
