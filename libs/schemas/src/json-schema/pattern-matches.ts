/** Longer names are not matched: a backtracking engine takes time in the power of the length. */
const NAME_LENGTH_MAX = 128
const PATTERN_LENGTH_MAX = 512
/** Each multiplies the time by the length of the name. */
const REPETITIONS_MAX = 4

/**
 * Whether a property's name matches a key of `patternProperties`. A pattern that could take long
 * (repeated groups, back references, many repetitions) is taken as matching nothing, so that no
 * schema can stop the process.
 */
export function patternMatches(pattern: string, name: string): boolean {
  if (name.length > NAME_LENGTH_MAX || !isQuick(pattern)) return false
  try {
    return new RegExp(pattern).test(name)
  } catch {
    return false
  }
}

function isQuick(pattern: string): boolean {
  if (pattern.length > PATTERN_LENGTH_MAX || /\)[*+{?]|\\[1-9k]/.test(pattern)) return false
  return (pattern.match(/[*+}]/g) ?? []).length <= REPETITIONS_MAX
}
