import type { Random } from '@fairlead/base'
import {
  type Completion,
  type Decision,
  GroupCoordinator,
  type Instant,
  type ParkToken,
  type Step,
} from '@fairlead/coordinator'
import type { MetadataImage } from '@fairlead/metadata'
import type { SimulatedLife } from '@fairlead/simulation'
import { require } from '../finding.ts'
import type { LogStore } from './log-store.ts'

export const OFFSETS_TOPIC = '__consumer_offsets'
export const OFFSETS_PARTITIONS = 2

/**
 * Runs the group coordinator as the broker's shell does: what a step changed is durable before its
 * answers leave, and answers of one partition leave in order.
 */
export class GroupShell {
  readonly coordinator: GroupCoordinator
  readonly #store: LogStore
  readonly #life: SimulatedLife
  readonly #parked = new Map<ParkToken, (completion: Completion) => void>()
  /** By partition: what leaves once its log is durable up to an offset. */
  readonly #leaving = new Map<number, { readonly offset: number; readonly leave: () => void }[]>()
  #nextToken = 1
  #cancelTick: (() => void) | undefined

  constructor(options: {
    readonly store: LogStore
    readonly life: SimulatedLife
    readonly random: Random
    readonly image: MetadataImage
  }) {
    this.#store = options.store
    this.#life = options.life
    this.coordinator = new GroupCoordinator({
      config: {
        offsetsPartitionCount: OFFSETS_PARTITIONS,
        sessionTimeoutMinMs: 100,
        sessionTimeoutMaxMs: 60_000,
        initialRebalanceDelayMs: 50,
        membersMax: 10,
        offsetMetadataMaxBytes: 100,
        offsetsRetentionMs: 604_800_000,
        offsetsRetentionCheckIntervalMs: 600_000,
        groupsMax: 10,
        memberMetadataMaxBytes: 10_000,
        committedPartitionsMax: 100,
      },
      random: options.random,
      topics: options.image,
    })
  }

  get now(): Instant {
    return { nowMs: this.#life.nowMs(), wallNowMs: this.#life.wallNowMs() }
  }

  /** Partition after partition; requests meanwhile hear that groups are being loaded. */
  load(done: () => void): void {
    const partitions = Array.from({ length: OFFSETS_PARTITIONS }, (_, partition) => partition)
    for (const partition of partitions) this.coordinator.startLoading(partition)
    const next = (partition: number): void => {
      if (partition === OFFSETS_PARTITIONS) {
        done()
        return
      }
      const replay = ({
        key,
        value,
      }: {
        key: Uint8Array | null
        value: Uint8Array | null
      }): void => {
        if (key !== null) this.coordinator.replay(partition, { key, value })
      }
      this.#store.replay(this.#log(partition), replay, () => {
        this.carryOut(this.coordinator.finishLoading(partition, this.now), () => {})
        next(partition + 1)
      })
    }
    next(0)
  }

  /** A request that may be parked: `answer` runs once, when its answer may leave. */
  park<Response>(
    decide: (token: ParkToken) => Decision<Response | 'parked'>,
    answer: (response: Response) => void,
  ): void {
    const token = this.#nextToken
    this.#nextToken += 1
    const decision = decide(token)
    if (decision.response === 'parked') {
      this.#parked.set(token, ({ response }) => answer(response as Response))
    }
    this.carryOut(decision, () => {
      if (decision.response !== 'parked') answer(decision.response)
    })
  }

  carryOut(step: Step, leave: () => void): void {
    this.coordinator.check()
    const { partition, records, completions } = step
    const log = this.#log(partition)
    if (records.length > 0) this.#store.append(log, records, () => this.#letOut(partition))
    const leaving = this.#leaving.get(partition) ?? []
    this.#leaving.set(partition, leaving)
    leaving.push({
      offset: log.logEndOffset,
      leave: () => {
        for (const completion of completions) this.#complete(completion)
        leave()
      },
    })
    this.#letOut(partition)
    this.#scheduleTick()
  }

  /** `leave` runs once everything of the partition so far is durable. */
  afterDurable(partition: number, leave: () => void): void {
    this.carryOut({ partition, records: [], completions: [], events: [] }, leave)
  }

  #complete(completion: Completion): void {
    const answer = this.#parked.get(completion.token)
    require(answer !== undefined, () => `request ${completion.token} is answered once`)
    this.#parked.delete(completion.token)
    answer(completion)
  }

  #letOut(partition: number): void {
    const { highWatermark } = this.#log(partition)
    const leaving = this.#leaving.get(partition) ?? []
    while ((leaving[0]?.offset ?? Number.POSITIVE_INFINITY) <= highWatermark) {
      leaving.shift()?.leave()
    }
  }

  #scheduleTick(): void {
    this.#cancelTick?.()
    this.#cancelTick = undefined
    const deadlineMs = this.coordinator.nextDeadlineMs()
    if (deadlineMs === undefined) return
    const tick = (): void => {
      for (const step of this.coordinator.tick(this.now)) this.carryOut(step, () => {})
      this.#scheduleTick()
    }
    this.#cancelTick = this.#life.after(deadlineMs - this.#life.nowMs(), tick, 'group tick')
  }

  #log(partition: number) {
    const log = this.#store.get(OFFSETS_TOPIC, partition)
    require(log !== undefined, () => `${OFFSETS_TOPIC}-${partition} is open`)
    return log
  }
}
