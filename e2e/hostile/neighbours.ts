import { once } from 'node:events'
import {
  type GroupMember,
  type IdempotentProducer,
  createAdmin,
  createGroupMember,
  createProducer,
} from '@fairlead/kafka'
import { waitFor } from '../support/wait-for.ts'

const TOPIC = 'neighbours'
const PARTITIONS = 3
const INTERVAL_MS = 20
const COMMIT_EVERY = 50
const START_TIMEOUT_MS = 120_000
const DRAIN_TIMEOUT_MS = 120_000

/** What the neighbours saw. */
export type NeighboursReport = {
  readonly sentCount: number
  /** Records that were lost, twice, or out of order. */
  readonly wrong: readonly string[]
  readonly produceP50Ms: number
  readonly produceP99Ms: number
  readonly produceMaxMs: number
}

/**
 * Well-formed clients beside an attack: an idempotent producer that numbers its records, and a
 * member of a group that reads, checks and commits them. Everything is to arrive once, in order.
 */
class Neighbours {
  readonly #produceLatenciesMs: number[] = []
  readonly #nextToSend: number[] = Array.from({ length: PARTITIONS }, () => 0)
  readonly #nextToRead: number[] = Array.from({ length: PARTITIONS }, () => 0)
  readonly #wrong: string[] = []
  readonly #producer: IdempotentProducer
  readonly #member: GroupMember
  readonly #work: Promise<unknown>
  #failure: unknown
  #isStopping = false
  #isStopped = false

  static async start(port: number): Promise<Neighbours> {
    const options = { bootstrapServers: [`127.0.0.1:${port}`], clientId: 'neighbour' }
    const admin = createAdmin(options)
    await admin.ensureTopic({ topic: TOPIC, partitions: PARTITIONS })
    await admin.close()
    const neighbours = new Neighbours(options)
    await neighbours.#served()
    return neighbours
  }

  private constructor(options: { readonly bootstrapServers: string[]; readonly clientId: string }) {
    this.#producer = createProducer(options)
    this.#member = createGroupMember({
      ...options,
      groupId: 'neighbours',
      topics: [TOPIC],
      onAssigned: (partitions) => {
        for (const { partition } of partitions) void this.#read(partition)
      },
      onRevoked: () => {
        if (!this.#isStopped) this.#failure ??= new Error('the group took the partitions away')
      },
      onError: (error) => {
        if (!error.retryable) this.#failure ??= error
      },
    })
    this.#work = this.#send()
    this.#work.catch((error: unknown) => {
      this.#failure = error
    })
  }

  /** Until then the group has no coordinator, or no assignment: what comes may hit that instead. */
  #served(): Promise<void> {
    return waitFor('neighbours to read from every partition', START_TIMEOUT_MS, () => {
      if (this.#failure !== undefined) throw this.#failure
      return this.#nextToRead.every((next) => next > 0)
    })
  }

  /** Stops sending, waits until everything sent was read, and tells what was seen. */
  async stop(): Promise<NeighboursReport> {
    this.#isStopping = true
    await this.#work
    await waitFor('neighbours to read all of it', DRAIN_TIMEOUT_MS, () => {
      if (this.#failure !== undefined) throw this.#failure
      return this.#nextToSend.every((sent, partition) => this.#nextToRead[partition] === sent)
    })
    this.#isStopped = true
    await this.#member.close()
    await this.#producer.close()
    const sorted = this.#produceLatenciesMs.toSorted((left, right) => left - right)
    const at = (share: number): number => sorted[Math.floor(sorted.length * share)] ?? Number.NaN
    return {
      sentCount: sorted.length * PARTITIONS,
      wrong: this.#wrong,
      produceP50Ms: at(0.5),
      produceP99Ms: at(0.99),
      produceMaxMs: sorted.at(-1) ?? Number.NaN,
    }
  }

  /** One record in each partition at a time, and the next one after a pause. */
  async #send(): Promise<void> {
    while (!this.#isStopping) {
      const records = this.#nextToSend.map((number, partition) => {
        const value = Buffer.from(String(number))
        return { topic: TOPIC, partition, key: null, value, headers: [] }
      })
      const startMs = performance.now()
      await this.#producer.send(records)
      this.#produceLatenciesMs.push(performance.now() - startMs)
      for (const { partition } of records) this.#nextToSend[partition]! += 1
      await new Promise((resolve) => setTimeout(resolve, INTERVAL_MS))
    }
  }

  async #read(partition: number): Promise<void> {
    try {
      while (!this.#isStopped) {
        const fromOffset = this.#nextToRead[partition] ?? 0
        const request = { topic: TOPIC, partition, fromOffset, maxWaitMs: 500, maxBytes: 100_000 }
        const { records } = await this.#member.fetch(request)
        for (const { offset, value } of records) this.#check(partition, offset, value)
        const next = this.#nextToRead[partition] ?? 0
        if (Math.floor(fromOffset / COMMIT_EVERY) < Math.floor(next / COMMIT_EVERY)) {
          await this.#member.commit([{ topic: TOPIC, partition, offset: next }])
        }
      }
    } catch (error) {
      if (!this.#isStopped) this.#failure ??= error
    }
  }

  #check(partition: number, offset: number, value: Uint8Array | null): void {
    const expected = this.#nextToRead[partition] ?? 0
    const found = value === null ? 'null' : Buffer.from(value).toString()
    if (offset !== expected || found !== String(expected)) {
      this.#wrong.push(`partition ${partition}, offset ${offset}: ${found} instead of ${expected}`)
    }
    this.#nextToRead[partition] = expected + 1
  }
}

// A process of its own: what it measures is the broker, not the load of the one that attacks.
const neighbours = await Neighbours.start(Number(process.argv[2]))
process.stdout.write('{}\n')
process.stdin.resume()
await once(process.stdin, 'end')
process.stdout.write(`${JSON.stringify(await neighbours.stop())}\n`)
process.exit()
