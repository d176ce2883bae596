import type { Letter, PreparedRecord, Row } from '@fairlead/projection'

/** Thrown inside of a transaction, as a process ends. */
export class Crash extends Error {
  override readonly name = 'Crash'
}

/** What a projection has made of the records so far. */
export interface ReadModel {
  /**
   * Applies one batch in one transaction. `crashAfter` counts its statements: behind that many, the
   * process is gone.
   *
   * @throws {Crash} Nothing of the batch is there, unless it had committed.
   */
  apply(batch: RecordBatch, crashAfter?: number): Promise<void>
  /** Statements of a batch behind which a crash is worth trying. */
  readonly statementsMax: number
  /** Offset of the next record of a topic to apply, as committed. */
  nextOffset(topic: string): number
  /** Events that were set aside, in the order of their offsets. */
  readonly letters: readonly Letter[]
  rows(): Promise<Tables>
  close(): Promise<void>
}

export type RecordBatch = {
  readonly topic: string
  readonly records: readonly PreparedRecord[]
}

/** Rows by table; those of a table in the order of their columns. */
export type Tables = Readonly<Record<string, readonly Row[]>>

/** Ends the transaction behind the statement that `crashAfter` counts to. */
export class Statements {
  readonly #crashAfter: number
  #count = 0

  constructor(crashAfter: number = Number.POSITIVE_INFINITY) {
    this.#crashAfter = crashAfter
  }

  /** @throws {Crash} */
  ran(): void {
    this.#count += 1
    if (this.#count >= this.#crashAfter) throw new Crash(`after statement ${this.#count}`)
  }
}
