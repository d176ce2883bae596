/** Longer names are not matched: a backtracking engine takes time in the power of the length. */
const NAME_LENGTH_MAX = 128
const PATTERN_LENGTH_MAX = 512

/**
 * Whether a property's name matches a key of `patternProperties`. A pattern that could take more than
 * `stepsMax` is taken as matching nothing, so that no schema can stop the process.
 */
export function patternMatches(pattern: string, name: string, stepsMax: number): boolean {
  if (matchingSteps(pattern, name) > stepsMax) return false
  try {
    return new RegExp(pattern).test(name)
  } catch {
    return false
  }
}

/**
 * What a backtracking engine takes at most: each repetition may end anywhere in the name, each
 * alternative and each optional part doubles what follows. Infinity for repeated groups, back
 * references, and what is too long.
 */
export function matchingSteps(pattern: string, name: string): number {
  if (pattern.length > PATTERN_LENGTH_MAX || name.length > NAME_LENGTH_MAX) return Infinity
  if (/\)[*+{?]|\\[1-9k]/.test(pattern)) return Infinity
  const repetitions = countOf(pattern, /[*+}]/g)
  const choices = countOf(pattern, /\||(?<!\()\?/g)
  const starts = pattern.startsWith('^') ? 1 : name.length + 1
  return pattern.length * starts * (name.length + 1) ** repetitions * 2 ** choices
}

function countOf(pattern: string, what: RegExp): number {
  return pattern.match(what)?.length ?? 0
}
