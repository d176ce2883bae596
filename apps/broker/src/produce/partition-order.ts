/**
 * Keeps the order in which a partition's appends were asked for, though some batches must be opened
 * elsewhere before they can be appended: whatever comes behind such a one waits for its turn.
 *
 * Where nothing is under way an append starts at once, before the call returns.
 */
export class PartitionOrder {
  readonly #latest = new Map<object, Promise<void>>()

  /** Partitions with an append that has not started. */
  get waitingCount(): number {
    return this.#latest.size
  }

  /** Runs `start` when `ready` is there and every earlier call for the same partition has started. */
  run<Ready, Result>(
    partition: object,
    ready: Ready | Promise<Ready>,
    start: (ready: Ready) => Result | Promise<Result>,
  ): Result | Promise<Result> {
    const earlier = this.#latest.get(partition)
    if (earlier === undefined && !(ready instanceof Promise)) return start(ready)
    return this.#runInTurn(partition, { earlier, ready }, start)
  }

  async #runInTurn<Ready, Result>(
    partition: object,
    after: { readonly earlier: Promise<void> | undefined; readonly ready: Ready | Promise<Ready> },
    start: (ready: Ready) => Result | Promise<Result>,
  ): Promise<Result> {
    const { earlier, ready } = after
    const begun = this.#begin(earlier, ready, start)
    const turn = begun.then(ignore, ignore)
    this.#latest.set(partition, turn)
    try {
      return await (await begun).result
    } finally {
      if (this.#latest.get(partition) === turn) this.#latest.delete(partition)
    }
  }

  async #begin<Ready, Result>(
    earlier: Promise<void> | undefined,
    ready: Ready | Promise<Ready>,
    start: (ready: Ready) => Result | Promise<Result>,
  ): Promise<{ readonly result: Result | Promise<Result> }> {
    let value: Ready
    try {
      value = await ready
    } finally {
      // Also where this one fails: whoever comes next waits for `earlier` through it.
      await earlier
    }
    // Wrapped: whoever comes next waits until this one has started, not until it is durable.
    return { result: start(value) }
  }
}

function ignore(): void {}
