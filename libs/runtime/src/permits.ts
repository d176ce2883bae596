/** Lets at most `limit` operations run at once; the others wait in order. */
export class Permits {
  #free: number
  readonly #waiting: ((giveBack: () => void) => void)[] = []

  constructor(limit: number) {
    this.#free = limit
  }

  /** Calls `start` when a permit is free. It is returned by calling the function once. */
  take(start: (giveBack: () => void) => void): void {
    if (this.#free === 0) {
      this.#waiting.push(start)
      return
    }
    this.#free -= 1
    start(() => this.#giveBack())
  }

  /** Runs `work` once a permit is free, which it has until it settles. */
  async run<Result>(work: () => Promise<Result>): Promise<Result> {
    const giveBack = await new Promise<() => void>((resolve) => this.take(resolve))
    try {
      return await work()
    } finally {
      giveBack()
    }
  }

  #giveBack(): void {
    const next = this.#waiting.shift()
    if (next === undefined) this.#free += 1
    else next(() => this.#giveBack())
  }
}
