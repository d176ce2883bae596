/**
 * Whether code that is to answer at once has given a promise. It is refused, and nobody waits for it: that it may be
 * rejected later is not to end the process.
 */
export function isGivenPromise(answer: unknown): boolean {
  if (!(answer instanceof Promise)) return false
  answer.catch(() => undefined)
  return true
}
