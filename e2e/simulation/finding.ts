/** Something that must hold did not: what a simulation is for. */
class Finding extends Error {
  override readonly name = 'Finding'
}

/** @throws {Finding} unless the fact holds. */
export function require(isTrue: boolean, fact: () => string): asserts isTrue {
  if (!isTrue) throw new Finding(fact())
}
