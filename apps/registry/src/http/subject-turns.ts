import { setTimeout as delay } from 'node:timers/promises'
import type { InquiryBasis, RegistryRecord } from '@fairlead/schemas'
import { invariant } from '@fairlead/base'

/** As long as judging one schema may take: then a writer goes ahead, whoever has the turn. */
const WAIT_MAX_MS = 10_000

/** What one writer has to itself until it has written. */
export type SubjectTurn = {
  /** Whether records would change what the writer's schemas were judged by. */
  readonly isChangedBy: (records: readonly RegistryRecord[]) => boolean
  readonly ended: Promise<void>
}

/**
 * Turns of writers that are overtaken again and again: who writes a large schema judges it before it is
 * written, and judges it anew whenever somebody else has written to its subject meanwhile. A writer that has
 * the turn keeps the others from its subjects until it is done.
 *
 * - One turn at a time, in the order in which they were asked for.
 * - Who came before a turn began does not wait for it, nor for more than one: turns that follow each other
 *   hold nobody off for good.
 * - Of this process alone: what another registry writes can still overtake.
 */
export class SubjectTurns {
  readonly #waitMaxMs: number
  #current: SubjectTurn | undefined
  #last: Promise<void> = Promise.resolve()

  constructor({ waitMaxMs = WAIT_MAX_MS }: { readonly waitMaxMs?: number } = {}) {
    this.#waitMaxMs = waitMaxMs
  }

  /** The one that whoever comes now has to respect. */
  get current(): SubjectTurn | undefined {
    return this.#current
  }

  /**
   * Does the work in a turn of its own, which ends with it, however it ends.
   *
   * @param findBases on what the judgements depend, found when the turn begins.
   */
  async take<Value>(
    findBases: () => readonly InquiryBasis[],
    work: (turn: SubjectTurn) => Promise<Value>,
  ): Promise<Value> {
    const { promise: ended, resolve: end } = Promise.withResolvers<void>()
    const previous = this.#last
    this.#last = ended
    await previous
    invariant(this.#current === undefined, 'one turn at a time')
    try {
      const bases = findBases()
      const turn = {
        ended,
        isChangedBy: (records) => records.some((each) => isOf(each, bases)),
      } satisfies SubjectTurn
      this.#current = turn
      return await work(turn)
    } finally {
      this.#current = undefined
      end()
    }
  }

  /** Answers when the turn has ended, or has lasted as long as a writer may be held. */
  async untilEnded({ ended }: SubjectTurn): Promise<void> {
    const timer = new AbortController()
    const longest = delay(this.#waitMaxMs, undefined, { signal: timer.signal })
    await Promise.race([ended, longest]).finally(() => timer.abort())
    await longest.catch(() => undefined)
  }
}

function isOf(record: RegistryRecord, bases: readonly InquiryBasis[]): boolean {
  if (!('subject' in record)) return false
  return bases.some(({ settings, versions }) =>
    [...settings, ...versions].some((part) => 'subject' in part && part.subject === record.subject),
  )
}
