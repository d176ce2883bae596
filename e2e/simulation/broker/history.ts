import { require } from '../finding.ts'

export type Place = { readonly partition: number; readonly offset: number }

/** What the clients of one topic sent, and what they were told and shown. */
export class History {
  /** By producer and partition: values in the order in which they were sent. */
  readonly sent = new Map<string, string[]>()
  /** By value. */
  readonly #acked = new Map<string, Place>()
  /** By place: what somebody has read there. */
  readonly #read = new Map<string, string>()
  /** By partition: the greatest offset whose commit was acknowledged. */
  readonly #committed = new Map<number, number>()

  get ackedCount(): number {
    return this.#acked.size
  }

  acked(value: string, place: Place): void {
    const known = this.#acked.get(value)
    require(known === undefined ||
      (known.offset === place.offset && known.partition === place.partition), () =>
      `${value} was acknowledged at ${known?.offset} and at ${place.offset}`)
    this.#acked.set(value, place)
  }

  /** What was read once at an offset stays there. */
  read(value: string, { partition, offset }: Place): void {
    const key = `${partition}@${offset}`
    const known = this.#read.get(key) ?? value
    require(known === value, () => `at ${key} ${known} was read, and then ${value}`)
    this.#read.set(key, value)
  }

  /** Answers of several connections come in any order. */
  committed(partition: number, offset: number): void {
    this.#committed.set(partition, Math.max(offset, this.#committed.get(partition) ?? 0))
  }

  /** What a group is told that it has committed never goes back behind what was acknowledged. */
  requireCommitted(partition: number, offset: number): void {
    const known = this.#committed.get(partition) ?? 0
    require(offset >= known, () =>
      `partition ${partition}: ${known} was committed, ${offset} is fetched`)
  }

  /** The log of a partition at the end: every acknowledged value once, in its place and in order. */
  requireLog(partition: number, values: readonly string[]): void {
    const places = new Map(values.map((value, offset) => [value, offset]))
    require(places.size === values.length, () => `partition ${partition} holds a value twice`)
    for (const [value, place] of this.#acked) {
      if (place.partition !== partition) continue
      require(places.get(value) === place.offset, () =>
        `${value} was acknowledged at ${place.offset} and is at ${places.get(value)}`)
    }
    for (const [offset, value] of values.entries()) this.read(value, { partition, offset })
    for (const [key, sent] of this.sent) {
      if (!key.endsWith(`/${partition}`)) continue
      const found = sent.flatMap((value) => places.get(value) ?? [])
      const inOrder = found.every((offset, at) => at === 0 || offset > (found[at - 1] ?? 0))
      require(inOrder, () => `${key}: records are not in the order in which they were sent`)
    }
  }
}
