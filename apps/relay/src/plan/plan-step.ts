/**
 * - `keep`: it is as it should be.
 * - `create`, `change`: a start makes it, or changes or drops it.
 * - `publish`: a start publishes rows that are older than its slot.
 * - `later`: it is made when the first event needs it.
 * - `wait`: a start waits for it, as for a slot that another relay reads.
 * - `halt`: a start halts because of it; the text says what to do.
 * - `unknown`: it could not be looked at.
 */
export type PlanAction =
  | 'keep'
  | 'create'
  | 'change'
  | 'publish'
  | 'later'
  | 'wait'
  | 'halt'
  | 'unknown'

/** One thing that a start of the relay finds, makes or halts at. */
export type PlanStep = {
  readonly action: PlanAction
  /** What it is: `slot`, `topic`, … */
  readonly kind: string
  /** Which one; empty where there is but one. */
  readonly name: string
  readonly text: string
}

/** Makes steps of one kind. */
export function stepsOf(kind: string) {
  return (action: PlanAction, name: string, text: string): PlanStep => ({
    action,
    kind,
    name,
    text,
  })
}
