/** A fact that the code relies on does not hold: a bug. The process logs it and exits. */
export class InvariantViolation extends Error {
  override readonly name = 'InvariantViolation'
}

/**
 * States a fact that must hold at this point. Always on, so it must be cheap: O(1). The message may
 * be a function, so that a hot path does not build text it does not need.
 *
 * @throws {InvariantViolation} when the fact does not hold.
 */
export function invariant(condition: boolean, fact: string | (() => string)): asserts condition {
  if (!condition) throw new InvariantViolation(typeof fact === 'string' ? fact : fact())
}

/** Closes a switch over a union: the compiler rejects a case that is missing. */
export function assertNever(value: never): never {
  throw new InvariantViolation(`unexpected case ${JSON.stringify(value)}`)
}
